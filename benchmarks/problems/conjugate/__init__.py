"""Models whose posterior is in the family of q, so that the evidence has a closed form."""
