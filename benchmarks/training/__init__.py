"""Training runs and parameter points: solvers, convergence, L-BFGS on the oracle, the split of log p(x)."""
