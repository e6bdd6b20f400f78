"""Regression on real data, with a Gaussian q over the weights."""
