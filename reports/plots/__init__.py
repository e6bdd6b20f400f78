"""Figures, one kind in each file."""
