"""Diffusion models: bounds, scores, schedules and reverse paths where the truth is known."""
