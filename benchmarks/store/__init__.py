"""What was measured, and its provenance: a folder with one SQLite file, with a checksum for each row."""
