"""The experiments: one line each. Everything that lists experiments is generated from here."""

from benchmarks.experiment import Experiment

_CLASSES = {name: value for name, value in globals().items() if isinstance(value, type) and value is not Experiment}
__all__ = list(_CLASSES)  # pyright: ignore[reportUnsupportedDunderAll]
