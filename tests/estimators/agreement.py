"""Measured moments against closed forms, at a stated chance of a false alarm.

Each comparison fails a right estimator with probability LEVEL; there are some 400 in this folder, so that all of them
together do with probability below 1e-3, once: seeds are fixed, and what passes goes on passing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy import stats

from gradmark.benchmarks.measurement.block import BUDGET, Setting, numbers
from gradmark.benchmarks.measurement.moments import Moments
from gradmark.benchmarks.measurement.quantities import positive
from gradmark.benchmarks.measurement.replicates import moments_at
from gradmark.estimators.core import Estimator, Params, Problem

LEVEL = 2e-6
REPLICATES = 2**18
BLOCK = 2**14  # replicates of few numbers: in a cell's blocks of 4096 each takes three times longer


def measured(
    problem: Problem,
    estimator: Estimator,
    num_samples: int = 1,
    replicates: int = REPLICATES,
    params: Params | None = None,
    state: Any = None,
    seed: int = 0,
) -> Moments:
    """The moments of blocks as a cell has, or larger to take less time; `params` are those of `init` unless given."""
    setting = Setting(problem, estimator, num_samples, params or problem.init(), state)
    size = BLOCK if BLOCK * numbers(setting) <= BUDGET else None
    return moments_at(setting, "test", seed, replicates, size)


def frozen_average(value: float) -> dict[str, torch.Tensor]:
    """The state of a moving average that has seen enough, and whose value is `value`."""
    return {"average": torch.tensor(value, dtype=torch.float64), "weight": torch.tensor(1.0, dtype=torch.float64)}


def assert_mean(moments: Moments, coordinate: int, mean: float, variance: float, tolerance: float = 0.0) -> None:
    """The mean is within what the exact variance allows, and `tolerance` where the arithmetic itself is inexact."""
    error = math.sqrt(max(variance, 0.0) / moments.units) + 1e-14 * (1 + abs(mean))
    off = moments.mean[coordinate] - mean
    z = math.copysign(max(abs(off) - tolerance, 0.0), off) / error
    assert abs(z) < stats.norm.isf(LEVEL / 2), f"mean {moments.mean[coordinate]} is {z:.1f} errors from {mean}"


def assert_variance(moments: Moments, column: int, variance: float) -> None:
    """The trace of one named tensor (column 1 the first) is within what its own groups allow."""
    groups = moments.traces[:, column]
    quantity = positive(groups)
    assert quantity.value is not None
    assert quantity.stderr is not None
    if variance < 1e-20:
        assert quantity.value < 1e-20
        return
    reach = stats.t.isf(LEVEL / 2, len(groups) - 1) * quantity.stderr / quantity.value
    off = math.log(quantity.value / variance)
    assert abs(off) < reach, f"variance {quantity.value} is off {variance} by {off:.3f} in logs; {reach:.3f} is allowed"
    assert reach < 0.25, "too few replicates to see anything"


def assert_agrees(moments: Moments, *answers: tuple[float, float]) -> None:
    """Mean and variance of each parameter, where every parameter is one number."""
    assert len(answers) == len(moments.mean)
    for index, (mean, variance) in enumerate(answers):
        assert_mean(moments, index, mean, variance)
        assert_variance(moments, 1 + index, variance)


def total_is_covered(moments: Moments, variance: float) -> bool:
    """Whether the interval that reports show contains the exact total variance."""
    quantity = positive(np.asarray(moments.traces[:, 0]))
    assert quantity.ci is not None
    return quantity.ci[0] <= variance <= quantity.ci[1]
