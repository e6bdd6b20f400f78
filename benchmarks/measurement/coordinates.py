"""The names of a gradient's coordinates; numpy only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np


def coordinate_name(flat: int, shapes: Mapping[str, Sequence[int]]) -> str:
    """The name of a coordinate of the flattened gradient, as `name[i, j]`; `name` alone where it is one number."""
    for name, shape in shapes.items():
        size = math.prod(shape)
        if flat < size:
            return f"{name}{[int(i) for i in np.unravel_index(flat, tuple(shape))]}" if shape else name
        flat -= size
    raise IndexError(flat)
