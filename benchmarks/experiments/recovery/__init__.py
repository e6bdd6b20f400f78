"""How well fits recover true parameters as the sample size grows."""
