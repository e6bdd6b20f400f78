"""The problems: one line each. Everything that lists problems is generated from here."""

from estimators.core import LatentVariableModel, Problem

# Toys: every moment is known
from benchmarks.problems.gaussian_toy import GaussianToy as GaussianToy

__all__ = [name for name, value in globals().items() if isinstance(value, type) and issubclass(value, Problem)]  # pyright: ignore[reportUnsupportedDunderAll]
__all__.remove("Problem")
__all__.remove("LatentVariableModel")
