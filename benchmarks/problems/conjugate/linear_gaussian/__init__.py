"""Probabilistic PCA: one model, with a q of independent coordinates and with a q of full covariance."""
