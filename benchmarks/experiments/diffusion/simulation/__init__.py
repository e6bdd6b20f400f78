"""Diffusion as a probability path whose every marginal and score is known: the path, its reverse, where it lands."""
