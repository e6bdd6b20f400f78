"""Methods for a bound of several draws: the target itself is another one for each number of them."""
