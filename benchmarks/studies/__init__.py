"""Studies: what to measure, in TOML files; the runner that measures it, whole blocks at a time; summaries of cells."""
