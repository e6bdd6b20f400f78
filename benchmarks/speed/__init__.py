"""asv's suites: what the estimators cost and how noisy they are, over the history of this repository."""
