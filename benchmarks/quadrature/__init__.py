"""The exact mean and variance of an estimator's own code: its draws are replaced by the nodes of a quadrature rule."""
