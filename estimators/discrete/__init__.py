"""Methods made for discrete z."""
