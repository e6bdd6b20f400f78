"""The problems: one line each. Everything that lists problems is generated from here."""

from estimators.core import Problem

# Toys: every moment is known
from benchmarks.problems.gaussian_toy import GaussianToy as GaussianToy

_CLASSES = {name: value for name, value in globals().items() if isinstance(value, type) and value is not Problem}
__all__ = list(_CLASSES)  # pyright: ignore[reportUnsupportedDunderAll]
