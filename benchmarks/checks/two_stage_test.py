"""A two-stage test of a mean: sums over replicates, tests of each coordinate and of all together, and their power."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradmark.benchmarks.measurement.bias_test import POWER
from gradmark.benchmarks.measurement.central_moments import CentralMoments
from gradmark.benchmarks.measurement.contributions import effective_contributions, fewest_contributions
from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.measurement.quantiles import f_sf, normal_isf, normal_ppf, normal_sf

Mask = NDArray[np.bool_]

AGAIN = 4  # times as many replicates in the second stage
PLAIN = 1e-9  # p of the first stage below which a second stage of the same size is enough
SUSPICIOUS = 0.02  # p of the first stage below which there is a second
JOINT = 128  # coordinates up to which Hotelling's T² is formed
ROUNDING = 1e-9  # times 1 + the largest number involved


@dataclass
class Sums:
    """The moments of gradients `[P]` about a fixed origin, with the products of pairs of coordinates."""

    origin: Array
    nonfinite: int = 0

    def __post_init__(self) -> None:
        size = len(self.origin)
        self.moments = CentralMoments.of(np.zeros((0, size)))
        self.cross = np.zeros((size, size)) if size <= JOINT else None

    def add(self, gradient: Array) -> None:
        """Add a block of replicates `[R, P]`."""
        finite = np.isfinite(gradient).all(1)
        self.nonfinite += int((~finite).sum())
        off = gradient[finite] - self.origin
        self.moments += CentralMoments.of(off)
        if self.cross is not None:
            self.cross += off.T @ off

    @property
    def count(self) -> int:
        """How many replicates were added, those left out that are not finite."""
        return self.moments.units

    @property
    def mean(self) -> Array:
        """The mean, less the origin."""
        return self.moments.mean

    @property
    def sd(self) -> Array:
        """The standard deviation of one replicate."""
        return np.sqrt(self.moments.second / max(self.count, 1))

    @property
    def varies(self) -> Mask:
        """In which coordinates the gradient varies by more than rounding."""
        return self.sd > self.rounding

    @property
    def zero(self) -> Mask:
        """In which coordinates every replicate is the origin itself."""
        return (self.mean == 0) & (self.moments.second == 0)

    @property
    def rounding(self) -> float:
        """The error that the order of summation may cause."""
        return ROUNDING * (1 + float(np.abs(self.origin).max(initial=0.0)))

    @property
    def contributions(self) -> Array:
        """The effective number of replicates that carry the variance; infinite where nothing varies."""
        number = effective_contributions(self.moments.second, self.moments.fourth)
        return np.where(self.varies, number, np.inf)

    @property
    def halls_t(self) -> Array:
        """Hall's t of the mean in each coordinate; one that does not vary is off by rounding, or certainly."""
        off = np.where(~self.varies & (np.abs(self.mean) <= self.rounding), 0.0, self.mean)
        second = np.where(self.varies, self.moments.second, 0.0)
        return replace(self.moments, second=second, units=max(self.count, 1)).halls_t(off)


@dataclass(frozen=True)
class MeanTest:
    """The result of testing a mean: p of both tests, the worst coordinate, and how far the mean is off there."""

    p_largest: float
    p_joint: float
    worst: int
    error: float
    stderr: float  # the largest of all coordinates that are tested
    replicates: int
    nonfinite: int
    tested: Mask
    few: int  # coordinates in which too few replicates carry the variance
    contributions: float  # the smallest effective number of replicates that carry a variance
    needed: float  # of them, for a coordinate to be tested

    @property
    def p_value(self) -> float:
        """Twice the smaller one of both."""
        return min(1.0, 2 * min(self.p_largest, self.p_joint))

    @property
    def untested(self) -> str:
        """Which coordinates are not tested and why; empty where all are."""
        if not self.few:
            return ""
        return (
            f"{self.few} of {len(self.tested)} coordinates cannot be tested: the largest few of {self.replicates} "
            f"replicates carry the variance, effectively {self.contributions:.2g} of them where {self.needed:.0f} are "
            "needed"
        )


def mean_test(sums: Sums, level: float, also: Mask | None = None) -> MeanTest:
    """The largest of Hall's skewness-corrected t over the coordinates, and Hotelling's T² of all together.

    A coordinate is tested only where enough replicates carry its variance for a test at the level, and where `also`,
    if it is given, is True.
    """
    contributions, needed = sums.contributions, fewest_contributions(level, 2 * len(sums.origin))
    enough = contributions >= needed
    tested = enough if also is None else enough & also
    z = np.where(tested, np.abs(sums.halls_t), 0.0)
    worst = int(z.argmax())
    return MeanTest(
        p_largest=min(1.0, len(z) * 2 * float(normal_sf(z[worst]))),
        p_joint=_joint(sums, sums.varies & tested),
        worst=worst,
        error=float(sums.mean[worst]),
        stderr=float(sums.sd[tested].max(initial=0.0)) / math.sqrt(max(sums.count, 1)),
        replicates=max(sums.count, 1),
        nonfinite=sums.nonfinite,
        tested=tested,
        few=int((~enough).sum()),
        contributions=float(contributions.min(initial=np.inf)),
        needed=needed,
    )


def two_stage_test(sums_of: Callable[[int, int], Sums], replicates: int, level: float) -> tuple[Sums, MeanTest, float]:
    """Test a sample and, where it looks suspicious, an independent and larger one, which alone decides.

    `sums_of(stage, replicates)` gives the sums of the stage 0 or 1. Returned are the sums and the test of the stage
    that decides, and the bias in one coordinate that would have been detected with probability POWER.
    """
    sums = sums_of(0, replicates)
    test = mean_test(sums, level)
    detectable = _detectable(SUSPICIOUS, test)
    if not test.nonfinite and test.p_value < SUSPICIOUS:
        sums = sums_of(1, replicates if test.p_value < PLAIN else AGAIN * replicates)
        test = mean_test(sums, level)
        detectable = max(detectable, _detectable(level, test))
    return sums, test, detectable


def _detectable(level: float, test: MeanTest) -> float:
    critical = normal_isf(level / (4 * max(len(test.tested), 1))) + normal_ppf(POWER)
    return critical * test.stderr


def _joint(sums: Sums, kept: Mask) -> float:
    """p of Hotelling's T² over the coordinates that are kept, in the directions in which the gradient varies."""
    if sums.cross is None or kept.sum() < 2:
        return 1.0
    covariance = (sums.cross / sums.count - np.outer(sums.mean, sums.mean))[np.ix_(kept, kept)]
    scale = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    wide = values > 1e-6 * values.max()
    projected = vectors[:, wide].T @ (sums.mean[kept] / scale)
    rank, count = int(wide.sum()), sums.count
    square = count * float((projected**2 / values[wide]).sum())
    return f_sf(square * (count - rank) / (rank * (count - 1)), rank, count - rank)
