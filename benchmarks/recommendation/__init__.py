"""Which estimator to use on a problem: candidates, rounds in which losers are dropped, and the answer."""
