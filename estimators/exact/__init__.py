"""Baselines that know the answer: the oracle as an estimator, and the exact posterior."""
