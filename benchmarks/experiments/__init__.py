"""The experiments: one line each. Everything that lists experiments is generated from here."""

from benchmarks.experiment import Experiment

# The note's preliminary: log p(x), its bound and the gap between them
from benchmarks.experiments.decomposition import Decomposition as Decomposition

_CLASSES = {name: value for name, value in globals().items() if isinstance(value, type) and value is not Experiment}
__all__ = list(_CLASSES)  # pyright: ignore[reportUnsupportedDunderAll]
