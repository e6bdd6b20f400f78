"""The tail of positive numbers: a generalised Pareto distribution fitted to the largest of them; numpy only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradmark.benchmarks.measurement.moments import Array

FEWEST_FOR_TAIL = 1024  # replicates; fewer leave less than a hundred exceedances to fit
FEWEST_FOR_SPREAD = 50  # exceedances, before their standard deviation says that a tail is bounded
MOST_SKEWNESS = 0.4  # of the mean of numbers that repeat: seven events that are alike
PRIOR_SHAPE, PRIOR_WEIGHT = 0.5, 10  # of the shape, in exceedances
HEAVY, NO_VARIANCE = "heavy", "the variance may not exist"
TOO_FEW, NO_INTERVAL = "too few replicates", "heavy tail: no interval"


@dataclass(frozen=True)
class Pareto:
    """A generalised Pareto distribution of what lies beyond `threshold`, fitted to `count` exceedances."""

    threshold: float
    scale: float
    shape: float
    count: int

    @property
    def stderr(self) -> float:
        """Of the shape: (1 + k)/√n."""
        return max(1 + self.shape, 0.0) / math.sqrt(self.count)


def fit_tail(values: Array) -> Pareto | None:
    """The largest min(R/5, 3√R) of R numbers; None where they are fewer than five, or half of them repeat another.

    A tail that looks heavy has to look so in its upper quarter, too, else the fit is that of the quarter: bounded
    numbers in two clusters, such as those of a cosine, have a large shape until the nearer one is left out. The shape's
    prior is that of [vehtari2024].

    Reference: zhang2009
    """
    count = int(min(0.2 * len(values), 3 * math.sqrt(len(values))))
    if count < 5:
        return None
    largest = np.sort(values)[-count - 1 :]
    tail = _fitted(largest)
    if tail is None or tail.shape <= 0.5 or count < FEWEST_FOR_SPREAD:
        return tail
    upper = _fitted(largest[-(count // 4) - 1 :])
    return upper if upper is not None and upper.shape <= 0.5 else tail


def _fitted(largest: Array) -> Pareto | None:
    """The fit to sorted numbers beyond the first of them.

    Exceedances that spread less than those of an exponential distribution have a bounded tail, and the shape is the
    one of their moments, (1 − mean²/variance)/2, as likelihoods have no maximum there.
    """
    threshold, x, count = float(largest[0]), largest[1:] - largest[0], len(largest) - 1
    if x[0] <= 1e-12 * largest[-1] or len(np.unique(x)) < count / 2:
        return None
    mean, variance = float(x.mean()), float(x.var(ddof=1))
    if count >= FEWEST_FOR_SPREAD and variance <= mean**2:
        shape = (1 - mean**2 / variance) / 2
        return Pareto(threshold, mean * (1 - shape), shape, count)
    shape, scale = _zhang_stephens(x / mean)
    weighted = (count * shape + PRIOR_WEIGHT * PRIOR_SHAPE) / (count + PRIOR_WEIGHT)
    return Pareto(threshold, scale * mean, weighted, count)


def _zhang_stephens(x: Array) -> tuple[float, float]:
    """Shape and scale for sorted exceedances: the posterior mean of the profile likelihood over a grid."""
    count = len(x)
    points = 30 + math.isqrt(count)
    grid = 1 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))
    grid = grid / (3 * x[int(count / 4 + 0.5) - 1]) + 1 / x[-1]
    shapes = np.log1p(-grid[:, None] * x).mean(1)
    likelihood = count * (np.log(-grid / shapes) - shapes - 1)
    weight = np.exp(likelihood - likelihood.max())
    inverse = float(grid @ weight / weight.sum())
    shape = float(np.log1p(-inverse * x).mean())
    return shape, -shape / inverse


def smoothed(values: Array, tail: Pareto, shape: float) -> Array:
    """The numbers, sorted, with the quantiles of the fitted tail, of another shape if need be, for the largest."""
    p = (np.arange(tail.count) + 0.5) / tail.count
    beyond = tail.scale * np.expm1(-shape * np.log1p(-p)) / shape
    return np.concatenate([np.sort(values)[: -tail.count], tail.threshold + beyond])


def skewness_of_mean(values: Array) -> float:
    """The skewness of the mean, Σx³/(Σx²)^1.5 about it: γ/√R, and 1/√n where n events of R replicates are alike."""
    off = values - values.mean() if len(values) else values
    off = off / np.abs(off).max(initial=0.0) if off.any() else off
    square = float((off**2).sum())
    return float((off**3).sum()) / square**1.5 if square > 0 else 0.0


@dataclass(frozen=True)
class Tail:
    """The shape of the generalised Pareto distribution fitted to the largest |g − mean|²."""

    khat: float | None
    kind: str | None  # "light" | "heavy" | "the variance may not exist"; None where it is not judged
    stderr: float | None = None  # of khat
    reason: str | None = None  # why it is not judged


def assess_tail(deviations: Array, exact: bool = False, rounding: float = 0.0) -> Tail:
    """k-hat of the largest |g − mean|²: below ½ its own variance exists, below 1 its mean, which is the variance of g.

    The kind follows from k-hat less two standard errors, so that chance alone finds a tail heavy once in forty times.
    Numbers that repeat have no tail to fit: light, unless a few events carry the variance. With `exact` the variance
    is known, and so it exists. What is within `rounding` of zero is zero.

    Reference: vehtari2024
    """
    if len(deviations) < FEWEST_FOR_TAIL:
        return Tail(None, None, reason=f"{len(deviations)} replicates; a tail needs {FEWEST_FOR_TAIL}")
    tail = fit_tail(deviations)
    if tail is None:
        few = _carried_by_few(deviations, rounding)
        return Tail(None, None, reason=f"{TOO_FEW}: {few}") if few else Tail(None, "light")
    least = tail.shape - 2 * tail.stderr
    kind = "light" if least < 0.5 else HEAVY if least < 1 or exact else NO_VARIANCE
    return Tail(tail.shape, kind, tail.stderr)


def why_no_interval(deviations: Array, rounding: float = 0.0) -> str | None:
    """Why the interval of a variance is withheld, judged by |g − mean|² of every replicate; None where it is not.

    A heavy tail has no variance of |g − mean|², on which every interval rests. Where a few events that are alike carry
    it, or no replicate differs from another, the next event may change everything.
    """
    tail = assess_tail(deviations, rounding=rounding)
    if tail.kind in (HEAVY, NO_VARIANCE):
        return NO_INTERVAL
    return TOO_FEW if tail.kind is None and _carried_by_few(deviations, rounding) else None


def _carried_by_few(deviations: Array, rounding: float) -> str | None:
    if deviations.max(initial=0.0) <= rounding:
        return "none differs from another"
    return "a few carry the variance" if skewness_of_mean(deviations) > MOST_SKEWNESS else None
