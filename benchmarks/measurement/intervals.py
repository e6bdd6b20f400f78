"""Intervals for the mean of a few hundred groups whose distribution is skewed; numpy and scipy only."""

from __future__ import annotations

import math

import numpy as np

from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.measurement.quantiles import t_isf
from gradmark.benchmarks.measurement.tails import FEWEST_FOR_TAIL, Pareto, fit_tail, skewness_of_mean, smoothed

LEVEL = 0.95  # of every confidence interval, where no other is asked for
NEXT_TO_NONE = 0.1  # skewness of the mean, below which no tail matters
DOMINATED = 0.8  # skewness of the mean, above which one group or two carry it


def mean_interval(groups: Array, level: float = LEVEL) -> tuple[float, float] | None:
    """Hall's skewness-corrected t, with tails that a sample lacks put back; None where one group or two carry the mean.

    T = t + g t²/3 + g² t³/27 + g/6 is Student's t where t is the studentised mean and g its skewness. A sample whose
    largest groups happen to be missing has a small mean and a small standard error both, and an interval that ends too
    soon. So each end of the interval is the further of two: of the groups themselves, and of the groups with a fitted
    Pareto tail instead of the largest on that side. The tail is heavier than the best fit by the square of its
    standard error, as a mean grows faster than the shape does.

    Reference: hall1992
    """
    skewness = skewness_of_mean(groups)
    if abs(skewness) > DOMINATED:
        return None
    low, high = _hall(groups, level)
    if skewness >= NEXT_TO_NONE:
        high = max(high, _beyond(groups, level))
    if skewness <= -NEXT_TO_NONE:
        low = min(low, -_beyond(-groups, level))
    return low, high


def difference_interval(groups: Array, level: float = LEVEL) -> tuple[float, float] | None:
    """`mean_interval` of differences of two positive numbers, with both tails put back.

    The largest of either number may be missing from the sample. The tails of a difference are those of the two numbers,
    one at each end, and so its skewness says of neither that it is light.
    """
    if abs(skewness_of_mean(groups)) > DOMINATED:
        return None
    low, high = _hall(groups, level)
    return min(low, -_beyond(-groups, level)), max(high, _beyond(groups, level))


def _hall(groups: Array, level: float) -> tuple[float, float]:
    mean, skewness = float(groups.mean()), skewness_of_mean(groups)
    stderr = float(groups.std(ddof=1)) / math.sqrt(len(groups))
    quantile = t_isf((1 - level) / 2, len(groups) - 1)
    return mean - stderr * _inverse(quantile, skewness), mean - stderr * _inverse(-quantile, skewness)


def _inverse(value: float, skewness: float) -> float:
    """The t whose Hall's T is `value`."""
    if abs(skewness) < 1e-9:
        return value
    return 3 / skewness * (float(np.cbrt(1 + skewness * (value - skewness / 6))) - 1)


def _beyond(groups: Array, level: float) -> float:
    """The upper end for the groups with a Pareto tail instead of the largest; −∞ where none can be fitted."""
    least = float(groups.min())
    tail = fit_tail(groups - least)
    return -math.inf if tail is None else least + _tailed(groups - least, tail, tail.shape + tail.stderr**2, level)


def _tailed(values: Array, tail: Pareto, shape: float, level: float = LEVEL) -> float:
    return _hall(smoothed(values, tail, shape), level)[1] if shape > 0 else -math.inf


def largest_share(deviations: Array) -> float:
    """The upper end of the mean of |g − mean|² over that mean, where the tail may be heavy: k-hat is above ½; else 0.

    The tail is a standard error heavier than the best fit, so that a sample that happens to look light does not end
    too soon.
    """
    tail = fit_tail(deviations) if len(deviations) >= FEWEST_FOR_TAIL else None
    if tail is None or tail.shape <= 0.5:
        return 0.0
    return _tailed(deviations, tail, tail.shape + tail.stderr) / float(deviations.mean())
