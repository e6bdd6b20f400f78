"""The score function with a control variate on relaxed draws; unbiased."""
