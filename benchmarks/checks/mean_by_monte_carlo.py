"""The check of the mean by Monte Carlo, a two-stage test: a sample, then an independent and larger one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch

from gradmark.benchmarks.checks.cases import MOST_AT_ONCE, EstimatorCase, coordinate
from gradmark.benchmarks.checks.control_variates import Control, best_control, gradients
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.benchmarks.checks.scores import seen_by
from gradmark.benchmarks.checks.two_stage_test import MeanTest, Sums, mean_test, two_stage_test
from gradmark.benchmarks.measurement.block import block_seed, block_size
from gradmark.benchmarks.measurement.moments import Array

REPLICATES = 2**16  # of the first stage
FEWEST = 2**13  # for heavy tails
FEWEST_EXPENSIVE = 2**10  # where an estimate makes EXPENSIVE evaluations of the cost for each draw
EXPENSIVE = 16
EXACT, AT_ONCE_EXACT = 2**10, 2**6  # where all noise is the selection of rows: an oracle may have 100 nodes for each
CONTROLLED = 2**14  # of the first stage, with a control variate
RARE = "hardly any draw has met the event that the parameter is about"
LEVEL = 0.001  # by default, over all cases of one estimator
CELLS = 20  # cases among which the level is divided
FEW, MANY = 8, 64  # estimates at once, whose seconds predict those of many
MOST_NUMBERS = 2**26  # over all replicates of the first stage


def one_stage_test(
    case: EstimatorCase, truth: Array, replicates: int, seed: int, control: Control | None = None
) -> MeanTest:
    """The test of at least so many independent estimates, less their control, against the exact gradient `[P]`."""
    return mean_test(summed(case, truth, replicates, seed, control), LEVEL / CELLS)


def summed(case: EstimatorCase, truth: Array, replicates: int, seed: int, control: Control | None = None) -> Sums:
    """The moments of at least so many independent estimates, less their control, about the exact gradient `[P]`."""
    sums = Sums(truth)
    size = block_size(case.on.problem, case.num_samples, case.on.params)
    size = min(size, AT_ONCE_EXACT if case.estimator.deterministic else max(MOST_AT_ONCE // case.numbers(), 1))
    for index in range(-(-replicates // size)):
        drawn = block_seed(case.on.problem, case.num_samples, "check", seed, size, index)
        gradient = gradients(case, size, drawn)
        sums.add(gradient if control is None else gradient - control.deviations(size, drawn))
    return sums


def _expected_seconds(case: EstimatorCase, replicates: int) -> float:
    """Seconds of so many estimates, predicted from those of a few."""
    spent = []
    for size in (FEW, FEW, MANY):
        start = time.perf_counter()
        gradients(case, size, 0)
        spent.append(time.perf_counter() - start)
    return replicates * max(spent[2] - spent[1], 0.0) / (MANY - FEW)


def mean_by_monte_carlo(
    level: float = LEVEL, seed: int = 0, seconds: float = math.inf
) -> Callable[[EstimatorCase], CheckResult]:
    """The check that the mean of many estimates is the exact gradient; `level` is for all cases of an estimator.

    The check is skipped where the estimates would take longer than `seconds`.
    """

    @check
    def mean_of_many_is_exact(case: EstimatorCase) -> CheckResult:
        """The mean of many estimates is the exact gradient, in every coordinate and in all together.

        Without an oracle, it must be the mean of an estimator that is unbiased wherever there is one.
        """
        count = sum(value.numel() for value in case.on.params.values())
        draws = max(count, case.num_samples * case.on.problem.footprint)
        room = MOST_NUMBERS // max(draws, case.numbers())
        exact = case.exact()
        truth = None if exact is None else torch.cat([value.reshape(-1) for value in exact.values()]).numpy()
        control = best_control(case, truth) if truth is None or room < REPLICATES else None
        if truth is None and control is None:
            return skipped(case.no_exact)
        fewest = FEWEST if case.numbers() < EXPENSIVE * draws else FEWEST_EXPENSIVE
        most = EXACT if case.estimator.deterministic else REPLICATES if control is None else CONTROLLED
        replicates = min(max(room, fewest), most)
        if math.isfinite(seconds) and (expected := _expected_seconds(case, replicates)) > seconds:
            return skipped(
                f"{replicates} estimates would take about {expected:.0f} s; a larger --budget checks this too"
            )
        return _decided(case, np.zeros(count) if truth is None else truth, replicates, level / CELLS, seed, control)

    return mean_of_many_is_exact


def _decided(
    case: EstimatorCase, truth: Array, replicates: int, level: float, seed: int, control: Control | None
) -> CheckResult:
    def sums_of(stage: int, count: int) -> Sums:
        return summed(case, truth, count, 2 * seed + stage, control)

    sums, test, detectable = two_stage_test(sums_of, replicates, level)
    if test.nonfinite:
        return failed(f"{test.nonfinite} of {test.nonfinite + test.replicates} replicates have NaN or infinity")
    mean = f"the mean of {test.replicates} replicates{'' if control is None else control.text}"
    rare = 0
    if test.p_value < level:  # only then is it worth finding which events the draws have met
        also = seen_by(case.on, test.replicates * case.num_samples, level, 2 * seed + 1)
        test, rare = mean_test(sums, level, also), int((~also).sum())
    if test.p_value < level:
        where = coordinate(case.on.params, test.worst)
        return failed(
            f"{mean} is off, with p = {test.p_value:.2g} ({level:.0e} is allowed)", where, test.error, detectable
        )
    left = test.untested if not rare else f"{rare} of {len(truth)} coordinates cannot be tested: {RARE}"
    return passed(detectable, "; ".join(filter(None, (mean, left)))) if test.tested.any() else skipped(left)
