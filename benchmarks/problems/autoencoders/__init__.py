"""Variational auto-encoders of handwritten digits."""
