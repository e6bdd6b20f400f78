"""A measured quantity with its standard error and confidence interval, and how each kind of interval is made."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.moments import Array

LEVEL = 0.95  # of every confidence interval
NOT_COUNTED = "not counted"  # said of evaluations of the cost that were made where nobody sees them


@dataclass(frozen=True)
class Reading:
    """One measured quantity; what cannot be said (infinite, or too few groups) is None."""

    value: float | None
    stderr: float | None = None
    ci: tuple[float, float] | None = None
    level: float = LEVEL

    def json(self) -> dict[str, Any]:
        """The reading as plain data."""
        return asdict(self)


def positive(groups: Array) -> Reading:
    """The mean of positive groups (traces, squared errors): Student's t on the logarithm of the mean.

    ci = exp(log m ± t · s / (m √G)), which covers 93 to 94 % on score-function gradients, where the textbook
    chi-squared interval covers 53 to 76 %.
    """
    count, mean = len(groups), float(np.mean(groups)) if len(groups) else math.nan
    if count < 2 or not math.isfinite(mean):
        return Reading(_finite(mean))
    stderr = float(np.std(groups, ddof=1)) / math.sqrt(count)
    if mean <= 0:
        return Reading(mean, stderr, (mean, mean))
    return log_interval(mean, stderr / mean, count - 1)


def signed(groups: Array) -> Reading:
    """The mean of groups of either sign: Student's t."""
    count, mean = len(groups), float(np.mean(groups)) if len(groups) else math.nan
    if count < 2 or not math.isfinite(mean):
        return Reading(_finite(mean))
    stderr = float(np.std(groups, ddof=1)) / math.sqrt(count)
    reach = float(stats.t.isf((1 - LEVEL) / 2, count - 1)) * stderr
    return Reading(mean, stderr, (mean - reach, mean + reach))


def log_interval(value: float, relative: float, freedom: float) -> Reading:
    """A positive value whose logarithm has the standard error `relative`."""
    if not (math.isfinite(value) and math.isfinite(relative)):
        return Reading(_finite(value))
    reach = math.exp(min(float(stats.t.isf((1 - LEVEL) / 2, freedom)) * relative, 700.0))
    return Reading(value, value * relative, (value / reach, value * reach))


def root_ratio(numerator: Array, denominator: Array) -> Reading:
    """√(mean numerator / mean denominator), formed group by group; a negative numerator counts as zero."""
    count, scale = len(numerator), float(np.mean(denominator)) if len(denominator) else math.nan
    if count < 2 or not scale > 0:
        return Reading(None)
    ratio = float(np.mean(numerator)) / scale
    stderr = float(np.std(numerator - ratio * denominator, ddof=1)) / scale / math.sqrt(count)
    reach = float(stats.t.isf((1 - LEVEL) / 2, count - 1)) * stderr
    root = math.sqrt(max(ratio, 0.0))
    low, high = math.sqrt(max(ratio - reach, 0.0)), math.sqrt(max(ratio + reach, 0.0))
    return Reading(root, stderr / (2 * root) if root > 0 else None, (low, high))


def ratio(numerator: Array, denominator: Array) -> Reading:
    """mean numerator / mean denominator of positive groups; paired, group by group, where both have as many groups.

    Two cells with the same seeds see the same draws, so that what their groups share cancels from the ratio. Where one
    of them has larger groups, as many of the other's make one of these.
    """
    numerator, denominator = _averaged(numerator, len(denominator)), _averaged(denominator, len(numerator))
    top, bottom = (float(np.mean(groups)) if len(groups) else math.nan for groups in (numerator, denominator))
    if not (top > 0 and bottom > 0):
        return Reading(_finite(top / bottom) if bottom > 0 else None)
    if len(numerator) < 2 or len(denominator) < 2:
        return Reading(top / bottom)
    if len(numerator) == len(denominator):
        relative = float(np.std(numerator / top - denominator / bottom, ddof=1)) / math.sqrt(len(numerator))
    else:
        parts = [np.var(groups / np.mean(groups), ddof=1) / len(groups) for groups in (numerator, denominator)]
        relative = math.sqrt(float(sum(parts)))
    return log_interval(top / bottom, relative, min(len(numerator), len(denominator)) - 1)


def _averaged(groups: Array, count: int) -> Array:
    """The same in `count` larger groups, where that is a whole number of groups each."""
    return groups.reshape(count, -1).mean(1) if 1 < count < len(groups) and len(groups) % count == 0 else groups


def median(rounds: Array) -> Reading:
    """The median of repeated timings; its standard error from the interquartile range, which outliers do not move."""
    if not len(rounds):
        return Reading(None)
    value = float(np.median(rounds))
    if len(rounds) < 4:
        return Reading(value)
    spread = float(stats.iqr(rounds)) / (2 * float(stats.norm.ppf(0.75)))
    return log_interval(value, math.sqrt(math.pi / 2) * spread / math.sqrt(len(rounds)) / value, len(rounds) - 1)


def scaled(reading: Reading, factor: float) -> Reading:
    """The reading times a positive number that is known."""
    if reading.value is None:
        return reading
    stderr = None if reading.stderr is None else reading.stderr * factor
    ci = None if reading.ci is None else (reading.ci[0] * factor, reading.ci[1] * factor)
    return Reading(reading.value * factor, stderr, ci, reading.level)


def product(a: Reading, b: Reading, freedom: float = 30) -> Reading:
    """The product of two independent positive readings."""
    if not a.value or not b.value or a.stderr is None or b.stderr is None:
        return Reading(a.value * b.value if a.value is not None and b.value is not None else None)
    relative = math.hypot(a.stderr / a.value, b.stderr / b.value)
    return log_interval(a.value * b.value, relative, freedom)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
