"""The law of the mean by Monte Carlo: a first look, and a fresh and larger one that alone decides."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from benchmarks.block import block_seed, block_size
from benchmarks.laws.cases import MOST_AT_ONCE, Case, coordinate
from benchmarks.laws.controls import Control, best_control, gradients
from benchmarks.laws.findings import Finding, declined, failed, law, passed
from benchmarks.moments import Array

REPLICATES = 2**16  # of the first look
FEWEST = 2**13  # heavy tails need as many
FEWEST_OF_THE_DEAR = 2**10  # where one estimate makes DEAR evaluations of the cost for each of its draws
DEAR = 16
AGAIN = 4  # times as many in the look that decides
PLAIN = 1e-9  # p of the first look, below which a second one of the same size decides
CONTROLLED = 2**14  # of the first look, less a control
SUSPICIOUS = 0.02  # p of the first look, below which there is a second
LEVEL = 0.001  # by default, over the cells of one estimator
CELLS = 20  # that the level is divided by
FEW, MANY = 8, 64  # estimates at once, whose seconds tell what many will take
POWER = 1.2816  # standard normal quantile of 0.9
JOINT = 128  # coordinates up to which Hotelling's T² is formed
MOST_NUMBERS = 2**26  # of the first look, over all replicates
ROUNDING = 1e-9  # times one plus the largest number involved


@dataclass
class Sums:
    """The count, mean, cross products and third moments of gradients `[P]`, block by block about a fixed origin."""

    origin: Array
    count: int = 0
    nonfinite: int = 0

    def __post_init__(self) -> None:
        size = len(self.origin)
        self.first, self.square, self.cube = np.zeros(size), np.zeros(size), np.zeros(size)
        self.cross = np.zeros((size, size)) if size <= JOINT else None

    def add(self, gradient: Array) -> None:
        """Another block of replicates `[R, P]`."""
        finite = np.isfinite(gradient).all(1)
        self.nonfinite += int((~finite).sum())
        off = gradient[finite] - self.origin
        self.count += len(off)
        self.first += off.sum(0)
        self.square += (off**2).sum(0)
        self.cube += (off**3).sum(0)
        if self.cross is not None:
            self.cross += off.T @ off


@dataclass(frozen=True)
class Look:
    """What one look at the mean saw: p of the two tests, the worst coordinate and how far the mean is off there."""

    p_largest: float
    p_joint: float
    worst: int
    size: float
    stderr: float  # the largest of all coordinates
    replicates: int
    nonfinite: int

    @property
    def p_value(self) -> float:
        """The smaller of the two, halved between them."""
        return min(1.0, 2 * min(self.p_largest, self.p_joint))


def look(case: Case, truth: Array, replicates: int, seed: int, control: Control | None = None) -> Look:
    """At least so many independent estimates, less their control, against the exact gradient `[P]`."""
    sums = Sums(truth)
    size = block_size(case.fixture.problem, case.num_samples, case.fixture.params)
    size = min(size, max(MOST_AT_ONCE // case.numbers(), 1))
    for index in range(-(-replicates // size)):
        drawn = block_seed(case.fixture.problem, case.num_samples, "check", seed, size, index)
        gradient = gradients(case, size, drawn)
        sums.add(gradient if control is None else gradient - control.deviations(size, drawn))
    return _judged(sums)


def _judged(sums: Sums) -> Look:
    """Hall's skewness-corrected t of each coordinate, the largest of them, and Hotelling's T² of all together."""
    count = max(sums.count, 1)
    mean = sums.first / count
    variance = np.maximum(sums.square / count - mean**2, 0.0)
    third = sums.cube / count - 3 * mean * variance - mean**3
    rounding = ROUNDING * (1 + float(np.abs(sums.origin).max(initial=0.0)))
    sd = np.sqrt(variance)
    noisy = sd > rounding
    off = np.where(~noisy & (np.abs(mean) <= rounding), 0.0, mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        u, skewness = off / sd, np.where(noisy, third / sd**3, 0.0)
        hall = u + skewness * u**2 / 3 + skewness**2 * u**3 / 27 + skewness / (6 * count)
    z = np.where(noisy, math.sqrt(count) * hall, np.where(off == 0, 0.0, np.inf))
    worst = int(np.abs(z).argmax())
    p_largest = min(1.0, len(z) * 2 * float(stats.norm.sf(abs(z[worst]))))
    joint = _joint(sums, mean, noisy)
    stderr = float(sd.max(initial=0.0)) / math.sqrt(count)
    return Look(p_largest, joint, worst, float(mean[worst]), stderr, count, sums.nonfinite)


def _joint(sums: Sums, mean: Array, noisy: NDArray[np.bool_]) -> float:
    """p of Hotelling's T², in the directions in which the gradient varies at all."""
    if sums.cross is None or noisy.sum() < 2:
        return 1.0
    covariance = (sums.cross / sums.count - np.outer(mean, mean))[np.ix_(noisy, noisy)]
    scale = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > 1e-6 * values.max()
    projected = vectors[:, kept].T @ (mean[noisy] / scale)
    rank, count = int(kept.sum()), sums.count
    square = count * float((projected**2 / values[kept]).sum())
    return float(stats.f.sf(square * (count - rank) / (rank * (count - 1)), rank, count - rank))


def _expected_seconds(case: Case, replicates: int) -> float:
    """Of so many estimates, from what a few more of them take at once."""
    spent = []
    for size in (FEW, FEW, MANY):
        start = time.perf_counter()
        gradients(case, size, 0)
        spent.append(time.perf_counter() - start)
    return replicates * max(spent[2] - spent[1], 0.0) / (MANY - FEW)


def mean_by_monte_carlo(level: float = LEVEL, seed: int = 0, seconds: float = math.inf) -> Callable[[Case], Finding]:
    """The law that the mean of many estimates is the exact gradient, for a level over an estimator's cells.

    It declines where so many estimates would take longer than `seconds`.
    """

    @law
    def mean_of_many_is_exact(case: Case) -> Finding:
        """The mean of many estimates is the exact gradient, in every coordinate and in all together.

        Without an oracle it is the mean of a method that is right wherever there is one, on the same draws.
        """
        count = sum(value.numel() for value in case.fixture.params.values())
        draws = max(count, case.num_samples * case.fixture.problem.footprint)
        room = MOST_NUMBERS // max(draws, case.numbers())
        exact = case.exact()
        truth = None if exact is None else torch.cat([value.reshape(-1) for value in exact.values()]).numpy()
        control = best_control(case, truth) if truth is None or room < REPLICATES else None
        if truth is None and control is None:
            return declined(f"there is no exact gradient: {case.fixture.problem.no_oracle}")
        fewest = FEWEST if case.numbers() < DEAR * draws else FEWEST_OF_THE_DEAR
        replicates = min(max(room, fewest), REPLICATES if control is None else CONTROLLED)
        if math.isfinite(seconds) and (expected := _expected_seconds(case, replicates)) > seconds:
            return declined(
                f"{replicates} estimates would take about {expected:.0f} s; a larger --budget tries this too"
            )
        return _decided(case, np.zeros(count) if truth is None else truth, replicates, level / CELLS, seed, control)

    return mean_of_many_is_exact


def _decided(case: Case, truth: Array, replicates: int, level: float, seed: int, control: Control | None) -> Finding:
    seen = look(case, truth, replicates, 2 * seed, control)
    reach = float(stats.norm.isf(SUSPICIOUS / (4 * len(truth)))) + POWER
    visible = reach * seen.stderr
    if not seen.nonfinite and seen.p_value < SUSPICIOUS:
        again = 1 if seen.p_value < PLAIN else AGAIN
        seen = look(case, truth, again * replicates, 2 * seed + 1, control)
        reach = float(stats.norm.isf(level / (4 * len(truth)))) + POWER
        visible = max(visible, reach * seen.stderr)
    if seen.nonfinite:
        return failed(f"{seen.nonfinite} of {seen.nonfinite + seen.replicates} replicates have NaN or infinity")
    said = f"the mean of {seen.replicates} replicates{'' if control is None else control.said}"
    if seen.p_value >= level:
        return passed(visible, said)
    where = coordinate(case.fixture.params, seen.worst)
    return failed(f"{said} is off, with p = {seen.p_value:.2g} ({level:.0e} is allowed)", where, seen.size, visible)
