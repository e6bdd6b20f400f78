"""From a cell to numbers with intervals: blocks of replicates, moments, the bias test, tails, cost and memory."""
