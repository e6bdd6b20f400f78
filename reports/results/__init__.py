"""What a store holds, as a report reads it: summaries, rankings, tables."""
