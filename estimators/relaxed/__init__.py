"""Relaxed draws: a temperature makes discrete draws differentiable, at the price of a bias."""
