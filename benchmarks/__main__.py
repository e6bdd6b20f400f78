"""`python -m gradmark …` is `gradmark …`: the current folder hides no module, as it hides none from the script."""

import os
import sys

if not sys.flags.safe_path and sys.path[0] != os.path.dirname(os.path.dirname(os.path.abspath(__file__))):  # noqa: PTH100, PTH120
    del sys.path[0]  # what `-m` put there; with os alone, as the folder may have a file pathlib.py

from gradmark.benchmarks.cli.commands import main

main()
