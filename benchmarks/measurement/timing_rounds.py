"""Seconds in rounds: how repeated timings are kept, and the interval that holds from one process to the next.

A store keeps `seconds` as a list of rounds, each a list of repeats, and `busy` as one number for each round. Repeats of
one round share a process, its memory layout and the minute, so that they agree with each other more than with those of
another process. Hence the interval is made of the rounds: the spread of their medians holds that of the repeats too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.measurement.quantities import LEVEL, Quantity, log_interval

FEWEST = 2  # rounds that an interval is made of
FEWEST_DRAWN = 6  # rounds that a bootstrap draws from: the median of fewer has hardly any values
RESAMPLES = 10_000


def in_rounds(seconds: Sequence[float] | Sequence[Sequence[float]]) -> list[list[float]]:
    """Rounds of repeats; the flat list of an older store is one round."""
    if not seconds:
        return []
    return [list(each) for each in seconds] if isinstance(seconds[0], Sequence) else [list(seconds)]  # type: ignore[arg-type]


def round_medians(seconds: Sequence[float] | Sequence[Sequence[float]]) -> Array:
    """The median of each round's repeats."""
    return np.array([np.median(each) for each in in_rounds(seconds)], dtype=float)


def nested_median(seconds: Sequence[float] | Sequence[Sequence[float]]) -> Quantity:
    """The geometric mean of the rounds' medians, with Student's t over rounds on the logarithm.

    ci = exp(log m ± t · s / √rounds) with rounds − 1 degrees of freedom. Fewer than `FEWEST` rounds give a value
    without an interval: repeats within one process do not say what another process would find.
    """
    medians = round_medians(seconds)
    if not len(medians):
        return Quantity(None)
    return over_rounds(medians)


def nested_ratio(
    a: Sequence[float] | Sequence[Sequence[float]],
    b: Sequence[float] | Sequence[Sequence[float]],
    level: float = LEVEL,
) -> Quantity:
    """Seconds of `a` over those of `b`, round by round: what a round does to both cancels."""
    top, bottom = round_medians(a), round_medians(b)
    if not (len(top) and len(bottom)):
        return Quantity(None)
    if len(top) == len(bottom):
        return over_rounds(top / bottom, level)
    one, other = over_rounds(top), over_rounds(bottom)
    value = (one.value or math.nan) / (other.value or math.nan)
    if one.stderr is None or other.stderr is None or not (one.value and other.value):
        return Quantity(value if math.isfinite(value) else None)
    relative = math.hypot(one.stderr / one.value, other.stderr / other.value)
    return log_interval(value, relative, min(len(top), len(bottom)) - 1, level)


def bootstrap_median(rounds: Array, level: float = LEVEL) -> Quantity:
    """The median over rounds, with the percentiles of medians of rounds drawn again; from `FEWEST_DRAWN` rounds on.

    No shape is assumed: a few rounds that something else disturbed move neither the median nor its interval.
    """
    value = float(np.median(rounds))
    if len(rounds) < FEWEST_DRAWN:
        return Quantity(value)
    medians = np.median(rounds[_resampled(len(rounds))], axis=1)
    low, high = np.quantile(medians, [(1 - level) / 2, (1 + level) / 2])
    return Quantity(value, float(medians.std(ddof=1)), (float(low), float(high)), level)


@lru_cache(1)
def _resampled(count: int) -> np.ndarray:
    """Which of so many rounds each resample holds: the same at every call."""
    return np.random.default_rng(0).integers(count, size=(RESAMPLES, count))


def over_rounds(medians: Array, level: float = LEVEL) -> Quantity:
    """One positive number for each round to their geometric mean, with its interval."""
    logs = np.log(medians)
    value = math.exp(float(logs.mean()))
    if len(medians) < FEWEST:
        return Quantity(value)
    return log_interval(value, float(logs.std(ddof=1)) / math.sqrt(len(medians)), len(medians) - 1, level)
