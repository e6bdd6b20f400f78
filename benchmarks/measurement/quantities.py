"""A measured quantity with its standard error and confidence interval, and how each kind of interval is made."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gradmark.benchmarks.measurement.intervals import LEVEL, difference_interval, mean_interval
from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.measurement.quantiles import normal_isf, normal_ppf, t_isf
from gradmark.benchmarks.measurement.tails import TOO_FEW

NONE_FINITE = "no replicate is finite"
NOT_COUNTED = "not counted"  # for evaluations of the cost that the counter cannot see
MARGIN = 1.01  # a ratio below it is a tie, however narrow its interval: no one chooses a method for one per cent


@dataclass(frozen=True)
class Quantity:
    """One measured quantity; what is infinite, or lacks groups, is None."""

    value: float | None
    stderr: float | None = None
    ci: tuple[float, float] | None = None
    level: float = LEVEL
    withheld: str | None = None  # why there is no interval, where one could be made that cannot be trusted

    def json(self) -> dict[str, Any]:
        """The quantity as plain data."""
        return asdict(self)


ZERO = Quantity(0.0, 0.0, (0.0, 0.0))
NOTHING = Quantity(None)


def positive(groups: Array) -> Quantity:
    """The mean of positive groups (traces, squared errors), with `mean_interval`, which never reaches below zero.

    It covers 93 to 98 % on score-function gradients, where the textbook chi-squared interval covers 53 to 76 %:
    `python -m gradmark.benchmarks.trust.coverage` counts it.
    """
    count, mean = len(groups), float(np.mean(groups)) if len(groups) else math.nan
    if count < 2 or not math.isfinite(mean):
        return Quantity(_finite(mean))
    stderr = float(np.std(groups, ddof=1)) / math.sqrt(count)
    if mean <= 0 or stderr == 0:
        return Quantity(mean, stderr, (mean, mean))
    ends = mean_interval(groups)
    if ends is None:
        return Quantity(mean, stderr, withheld=TOO_FEW)
    least = log_interval(mean, stderr / mean, count - 1).ci
    return Quantity(mean, stderr, (max(ends[0], least[0] if least else 0.0), ends[1]))


def signed(groups: Array) -> Quantity:
    """The mean of groups of either sign, with `mean_interval`."""
    count, mean = len(groups), float(np.mean(groups)) if len(groups) else math.nan
    if count < 2 or not math.isfinite(mean):
        return Quantity(_finite(mean))
    stderr = float(np.std(groups, ddof=1)) / math.sqrt(count)
    if stderr == 0:
        return Quantity(mean, stderr, (mean, mean))
    ends = mean_interval(groups)
    return Quantity(mean, stderr, ends, withheld=TOO_FEW if ends is None else None)


def without_interval(quantity: Quantity, reason: str | None) -> Quantity:
    """The quantity with its interval withheld for a reason; itself where there is none, or no value."""
    return quantity if reason is None or quantity.value is None else replace(quantity, ci=None, withheld=reason)


def reaching(quantity: Quantity, share: float) -> Quantity:
    """The quantity with an interval that ends at `share` of its value or beyond."""
    if quantity.ci is None or quantity.value is None:
        return quantity
    return replace(quantity, ci=(quantity.ci[0], max(quantity.ci[1], quantity.value * share)))


def log_interval(value: float, relative: float, freedom: float, level: float = LEVEL) -> Quantity:
    """A positive value whose logarithm has the standard error `relative`."""
    if not (math.isfinite(value) and math.isfinite(relative)):
        return Quantity(_finite(value))
    reach = math.exp(min(t_isf((1 - level) / 2, freedom) * relative, 700.0))
    return Quantity(value, value * relative, (value / reach, value * reach), level)


def root_ratio(numerator: Array, denominator: Array) -> Quantity:
    """√(mean numerator / mean denominator), formed group by group; a negative numerator counts as zero."""
    count, scale = len(numerator), float(np.mean(denominator)) if len(denominator) else math.nan
    if count < 2 or not scale > 0:
        return Quantity(None)
    ratio = float(np.mean(numerator)) / scale
    apart = (numerator - ratio * denominator) / scale
    stderr = float(np.std(apart, ddof=1)) / math.sqrt(count)
    root = math.sqrt(max(ratio, 0.0))
    ends = mean_interval(apart) if stderr > 0 else (0.0, 0.0)
    spread = stderr / (2 * root) if root > 0 else None
    if ends is None:
        return Quantity(root, spread, withheld=TOO_FEW)
    low, high = (math.sqrt(max(ratio + end, 0.0)) for end in ends)
    return Quantity(root, spread, (low, high))


def ratio(numerator: Array, denominator: Array, level: float = LEVEL) -> Quantity:
    """mean numerator / mean denominator of positive groups; paired, group by group, where both have as many groups.

    Two cells with the same seeds see the same draws, so that what their groups share cancels from the ratio. Where one
    of them has larger groups, as many of the other's make one of these.
    """
    numerator, denominator = _averaged(numerator, len(denominator)), _averaged(denominator, len(numerator))
    top, bottom = (float(np.mean(groups)) if len(groups) else math.nan for groups in (numerator, denominator))
    if not (top > 0 and bottom > 0):
        return Quantity(_finite(top / bottom) if bottom > 0 else None)
    if len(numerator) < 2 or len(denominator) < 2:
        return Quantity(top / bottom)
    if len(numerator) == len(denominator):
        return _paired(numerator / top - denominator / bottom, top / bottom, level)
    parts = [np.var(groups / np.mean(groups), ddof=1) / len(groups) for groups in (numerator, denominator)]
    relative, freedom = math.sqrt(float(sum(parts))), min(len(numerator), len(denominator)) - 1
    return log_interval(top / bottom, relative, freedom, level)


def _paired(apart: Array, value: float, level: float) -> Quantity:
    """A ratio whose logarithm is off by about the mean of `apart`, group by group; the interval is that mean's."""
    relative = float(np.std(apart, ddof=1)) / math.sqrt(len(apart))
    ends = difference_interval(apart, level) if relative > 0 else (0.0, 0.0)
    if ends is None:
        return Quantity(value, value * relative, level=level, withheld=TOO_FEW)
    low, high = (value * math.exp(min(max(end, -700.0), 700.0)) for end in ends)
    return Quantity(value, value * relative, (low, high), level)


def _averaged(groups: Array, count: int) -> Array:
    """The same in `count` larger groups, where that is a whole number of groups each."""
    return groups.reshape(count, -1).mean(1) if 1 < count < len(groups) and len(groups) % count == 0 else groups


def median(rounds: Array) -> Quantity:
    """The median of repeated timings; its standard error from the interquartile range, which outliers do not move."""
    if not len(rounds):
        return Quantity(None)
    value = float(np.median(rounds))
    if len(rounds) < 4:
        return Quantity(value)
    spread = float(np.subtract(*np.percentile(rounds, (75, 25)))) / (2 * normal_ppf(0.75))
    return log_interval(value, math.sqrt(math.pi / 2) * spread / math.sqrt(len(rounds)) / value, len(rounds) - 1)


def scaled(quantity: Quantity, factor: float) -> Quantity:
    """The quantity times a positive number that is known."""
    if quantity.value is None:
        return quantity
    stderr = None if quantity.stderr is None else quantity.stderr * factor
    ci = None if quantity.ci is None else (quantity.ci[0] * factor, quantity.ci[1] * factor)
    return Quantity(quantity.value * factor, stderr, ci, quantity.level, quantity.withheld)


def above_a_tie(ratio: Quantity, margin: float = MARGIN) -> bool:
    """Whether a ratio is known to be above 1, and is more than a tie."""
    return ratio.value is not None and ratio.ci is not None and ratio.ci[0] > 1 and ratio.value >= margin


def inverse(quantity: Quantity) -> Quantity:
    """One over a positive quantity; nothing where it is not known to be positive."""
    if not quantity.value or quantity.stderr is None:
        return Quantity(None)
    ci = (1 / quantity.ci[1], 1 / quantity.ci[0]) if quantity.ci is not None and quantity.ci[0] > 0 else None
    return Quantity(1 / quantity.value, quantity.stderr / quantity.value**2, ci, quantity.level, quantity.withheld)


def widened(quantity: Quantity, level: float) -> Quantity:
    """A positive quantity at another level, as if its logarithm were normal: good where it rests on many groups."""
    if quantity.ci is None or not quantity.value or quantity.ci[0] <= 0:
        return replace(quantity, level=level)
    share = normal_isf((1 - level) / 2) / normal_isf((1 - quantity.level) / 2)
    low, high = (quantity.value * math.exp(share * math.log(end / quantity.value)) for end in quantity.ci)
    return replace(quantity, ci=(low, high), level=level)


def product(a: Quantity, b: Quantity, freedom: float = 30) -> Quantity:
    """The product of two independent positive quantities; each end's distances on the logarithm add as squares.

    Without an interval of both it is made of their standard errors, and withheld where one of theirs is.
    """
    if not a.value or not b.value or a.stderr is None or b.stderr is None:
        if a.value is None or b.value is None:
            return NOTHING
        return Quantity(a.value * b.value, withheld=a.withheld or b.withheld)
    value, relative = a.value * b.value, math.hypot(a.stderr / a.value, b.stderr / b.value)
    if (why := a.withheld or b.withheld) is not None:
        return Quantity(value, value * relative, withheld=why)
    if a.ci is None or b.ci is None or min(*a.ci, *b.ci) <= 0:
        return log_interval(value, relative, freedom, a.level)
    (low_a, high_a), (low_b, high_b) = a.ci, b.ci
    low = math.hypot(math.log(a.value / low_a), math.log(b.value / low_b))
    high = math.hypot(math.log(high_a / a.value), math.log(high_b / b.value))
    return Quantity(value, value * relative, (value * math.exp(-low), value * math.exp(high)), a.level)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
