"""Code from outside gradmark: where it may be loaded from, how it is loaded, and which files it is made of."""
