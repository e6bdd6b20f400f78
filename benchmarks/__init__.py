"""The measuring: problems with known truth, blocks of replicates, moments, quantities, a store."""
