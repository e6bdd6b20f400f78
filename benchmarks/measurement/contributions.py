"""How many replicates carry the variance of a mean: where they are too few, its tests are not trusted; numpy only."""

from __future__ import annotations

import numpy as np

from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.measurement.quantiles import normal_isf

MARGIN = 2.0  # times the squared normal quantile of the level: `benchmarks/trust/few_contributions.py` counts it


def effective_contributions(second: Array, fourth: Array) -> Array:
    """The effective number of replicates that carry the variance: (Σ d²)² / Σ d⁴ in each coordinate.

    `second` and `fourth` are the sums over replicates of d² and d⁴, where d is the distance to the mean. It is the
    number of replicates over their kurtosis: a third of them for a normal distribution, the number of events seen for
    a rare event, and near 1 where one replicate outweighs the rest. It is 0 where nothing varies.

    A t statistic of n replicates departs from the normal distribution by γ/√n first, where γ is the skewness. As
    (Σ d³)² ≤ Σ d² Σ d⁴, γ²/n is at most one over this number, so that it bounds the departure whatever the
    distribution is: a test that corrects for skewness is good where the number is large beside z², the square of the
    quantile that the test looks at. `fewest_contributions` says how large.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        number = second / fourth * second  # in this order the square cannot overflow before the division
    return np.where((second > 0) & np.isfinite(number), number, 0.0)


def fewest_contributions(level: float, tests: int = 1) -> float:
    """The effective number that a two-sided test of each of `tests` coordinates needs, at a level over all of them.

    It is 2 z², where z is the normal quantile of `level / tests`: 22 at a level of .001, 33 at .00005. Below it the
    coordinate is untested.
    """
    return MARGIN * normal_isf(level / (2 * max(tests, 1))) ** 2
