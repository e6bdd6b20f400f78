"""The measuring: problems with known truth, blocks of replicates, moments, readings, a store."""
