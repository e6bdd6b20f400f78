"""The summary of a block of replicates: counts, central moments and the traces of its groups; numpy only."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from typing import Any, Self

import numpy as np

from gradmark.benchmarks.measurement.central_moments import Array as Array
from gradmark.benchmarks.measurement.central_moments import CentralMoments

MAX_COORDINATES = 4096  # beyond it the per-coordinate moments are not kept, only the traces


@dataclass(frozen=True)
class Moments:
    """The folded gradients of one block, or of several added up; `a + b` is the fold of both, to rounding.

    A *unit* is one replicate or, under a minibatch, the mean of a pair of replicates that share their rows. A *group*
    is a fixed number of consecutive replicates; intervals and paired ratios are made of groups. Column 0 of the traces
    is the total, then one column for each named tensor in the parameters' order.
    """

    replicates: int  # all that were drawn, the non-finite ones included
    units: int  # those folded
    nonfinite: int  # replicates with NaN or infinite gradients: counted, and in none of the numbers below
    mean: Array  # [P], over units; [0] beyond MAX_COORDINATES
    second: Array  # [P], sum over units of the squared distance to the mean
    third: Array  # [P], sum over units of its cube
    within: Array  # [P], sum over pairs of half the squared difference; [0] where replicates share nothing
    traces: Array  # [groups, 1 + tensors], unbiased trace of one estimate's covariance
    within_traces: Array  # the part of it that is not the minibatch's; [0, …] where replicates share nothing
    square_norms: Array  # [groups], mean of |g|²
    squared_errors: Array  # [groups], mean of |g − exact|²; [0] where no exact gradient is known
    cosines: Array  # [groups], mean of cos(g, exact); [0] likewise
    wrong_signs: Array  # [groups], mean fraction of coordinates whose sign is not the exact one's; [0] likewise
    deviations: Array  # [finite replicates], |g − block mean|²
    fourth: Array = field(default_factory=lambda: np.zeros(0))  # [P] as `third`; [0] in blocks of older versions
    undirected: int = 0  # replicates of gradient zero: they have no cosine, and are in none
    shared: int = 0  # replicates whose weights were one copy, see `engines`; 0 in blocks of older versions

    @property
    def paired(self) -> bool:
        """Whether replicates 2i and 2i+1 shared their rows."""
        return self.within_traces.shape[0] > 0

    @property
    def central(self) -> CentralMoments:
        """The moments of each coordinate over units."""
        return CentralMoments(self.units, self.mean, self.second, self.third, self.fourth)

    def __add__(self, other: Self) -> Self:
        counted: dict[str, Any] = {
            "replicates": self.replicates + other.replicates,
            "nonfinite": self.nonfinite + other.nonfinite,
            "within": self.within + other.within,
            "undirected": self.undirected + other.undirected,
            "shared": self.shared + other.shared,
            **vars(self.central + other.central),
        }
        rest = [field.name for field in fields(self) if field.name not in counted]
        lists: dict[str, Any] = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in rest}
        return type(self)(**counted, **lists)

    def as_one_group(self) -> Self:
        """The same with its groups averaged to one: for groups that share what they would have to tell apart."""
        names = ("traces", "within_traces", "square_norms", "squared_errors", "cosines", "wrong_signs")
        groups = {name: getattr(self, name) for name in names}
        return replace(self, **{name: each.mean(0, keepdims=True) for name, each in groups.items() if len(each)})

    def to_bytes(self) -> bytes:
        """The moments as a line of JSON (each field's shape, or its count) and then all numbers, little-endian."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        header = {name: value if isinstance(value, int) else list(value.shape) for name, value in values.items()}
        arrays = [value.astype("<f8").tobytes() for value in values.values() if not isinstance(value, int)]
        return b"".join([json.dumps(header).encode(), b"\n", *arrays])

    @classmethod
    def from_bytes(cls, archive: bytes) -> Self:
        """The moments that `to_bytes` wrote; what an older version did not keep has its default: not known."""
        line, _, rest = archive.partition(b"\n")
        numbers, start = np.frombuffer(rest, dtype="<f8"), 0
        values: dict[str, Any] = {}
        for name, shape in json.loads(line).items():
            values[name] = shape
            if not isinstance(shape, int):
                stop = start + math.prod(shape)
                values[name], start = numbers[start:stop].reshape(shape), stop
        return cls(**values)


def merged(blocks: list[Moments]) -> Moments:
    """All blocks as one, added in pairs of neighbours, so that lists are copied log₂ times and rounding stays small."""
    while len(blocks) > 2:
        blocks = [reduce(Moments.__add__, blocks[i : i + 2]) for i in range(0, len(blocks), 2)]
    return reduce(Moments.__add__, blocks)
