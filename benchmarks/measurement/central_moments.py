"""Central moments of many vectors, added up block by block, and Hall's t of their mean; numpy only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
CHUNK = 2**13  # coordinates that are added up at once: what is made on the way stays in a processor's cache
POWERS = ("mean", "second", "third", "fourth")


@dataclass(frozen=True)
class CentralMoments:
    """The mean of `units` vectors and the sums of powers of their distances to it; `a + b` is of both, to rounding."""

    units: int
    mean: Array  # [P]
    second: Array  # [P], the sum of the squared distances to the mean
    third: Array  # [P], of their cubes
    fourth: Array  # [P]; [0] where it was not kept

    @classmethod
    def of(cls, values: Array) -> Self:
        """Those of the rows of `values`, `[units, P]`."""
        units = len(values)
        mean = values.sum(0) / max(units, 1)
        off = values - mean
        square = off**2
        return cls(units, mean, square.sum(0), (square * off).sum(0), (square**2).sum(0))

    def __add__(self, other: Self) -> Self:
        if len(self.mean) <= CHUNK:
            return self._with(other)
        parts = [self._of(here)._with(other._of(here)) for here in _chunks(len(self.mean))]
        joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in POWERS}
        return type(self)(parts[0].units, **joined)

    def _of(self, here: slice) -> Self:
        """Those of some coordinates."""
        return type(self)(self.units, *(getattr(self, name)[here] for name in POWERS))

    def _with(self, other: Self) -> Self:
        units = max(self.units + other.units, 1)
        shift = other.mean - self.mean
        share = self.units * other.units / units
        skew = share * (self.units - other.units) / units
        return type(self)(
            units=self.units + other.units,
            mean=self.mean + shift * (other.units / units),
            second=self.second + other.second + share * shift**2,
            third=self.third
            + other.third
            + skew * shift**3
            + 3 * shift * (self.units * other.second - other.units * self.second) / units,
            fourth=self._fourth_with(other, shift, units),
        )

    def _fourth_with(self, other: Self, shift: Array, units: int) -> Array:
        """The fourth moment of both; not known where one of them did not keep it."""
        if len(self.fourth) != len(self.mean) or len(other.fourth) != len(other.mean):
            return np.zeros(0)
        a, b = self.units, other.units
        return (
            self.fourth
            + other.fourth
            + a * b / units * ((a * a - a * b + b * b) / units**2) * shift**4
            + 6 * shift**2 * (a * a * other.second + b * b * self.second) / units**2
            + 4 * shift * (a * other.third - b * self.third) / units
        )

    def halls_t(self, off: Array) -> Array:
        """Hall's skewness-corrected t of the difference between the mean and its exact value, in each coordinate.

            T = √n [U + γU²/3 + γ²U³/27 + γ/(6n)],  U = off / sd,  γ the skewness

        Standard normal to O(1/n). It is 0 where `off` is, and infinite where nothing varies and `off` is not 0.

        Reference: hall1992
        """
        sd = np.sqrt(self.second / self.units)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            u = np.where(off == 0, 0.0, off / sd)
            skewness = np.where(sd > 0, self.third / self.units / sd**3, 0.0)
            hall = u + skewness * u**2 / 3 + skewness**2 * u**3 / 27 + skewness / (6 * self.units)
        return np.where(off == 0, 0.0, math.sqrt(self.units) * np.where(np.isinf(u), u, hall))


def _chunks(count: int) -> list[slice]:
    return [slice(first, first + CHUNK) for first in range(0, count, CHUNK)]
