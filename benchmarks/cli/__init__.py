"""The command line: click onto the functions of the other rooms, no logic."""
