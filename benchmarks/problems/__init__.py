"""The problems: one line each. Everything that lists problems is generated from here."""

from estimators.core import Problem

# Toys: every moment is known
from benchmarks.problems.gaussian_toy import GaussianToy as GaussianToy
from benchmarks.problems.bernoulli_toy import BernoulliToy as BernoulliToy

# Models with an exact posterior or a quadrature: the truth is known
from benchmarks.problems.linear_gaussian import LinearGaussian as LinearGaussian
from benchmarks.problems.bayesian_logistic_regression import BayesianLogisticRegression as BayesianLogisticRegression

_CLASSES = {name: value for name, value in globals().items() if isinstance(value, type) and value is not Problem}
__all__ = list(_CLASSES)  # pyright: ignore[reportUnsupportedDunderAll]
