"""Checks of the mean and of the variance by Monte Carlo, with a fixed number of replicates at a stated level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy import stats

from gradmark.benchmarks.checks.cases import Case, coordinate
from gradmark.benchmarks.checks.control_variates import known_methods
from gradmark.benchmarks.checks.results import BIAS_CHECK, CheckResult, check, failed, labelled, passed, skipped
from gradmark.benchmarks.measurement.bias_test import FEWEST_FOR_BIAS, assess_bias
from gradmark.benchmarks.measurement.block import block_seed, block_size, measure_block
from gradmark.benchmarks.measurement.moments import Array, Moments, merged
from gradmark.benchmarks.measurement.quantities import ratio

LEVEL = 1e-6  # false-alarm rate of one case, over all coordinates; seeds are fixed, so results do not flicker
REPLICATES = 16384  # of the check of the mean
FEWER = 4096  # of the check of the variance, and of the mean where blocks are small
FEW, MANY = 2, 8  # num_samples whose variances are compared
FEWEST = 128  # replicates where MOST_NUMBERS allows no more
MOST_NUMBERS = 2**25  # in all evaluations of the cost, over all replicates
ROUNDING = 64 * 2.0**-52  # of the largest number involved


def replicated(
    case: Case, replicates: int, num_samples: int | None = None, seed: int = 0, fewest: int = FEWEST
) -> Moments:
    """The moments of whole blocks of at least `replicates` replicates, with the state of the case.

    Where the evaluations would take more than MOST_NUMBERS numbers, there are fewer replicates, at least `fewest`, in
    smaller blocks.
    """
    problem, count = case.fixture.problem, num_samples or case.num_samples
    setting = replace(case.setting, num_samples=count)
    size, numbers = block_size(problem, count, setting.params), case.numbers(count)
    if (room := max(MOST_NUMBERS // numbers, fewest)) < replicates:
        size, replicates = block_size(problem, -(-numbers // problem.footprint), setting.params), room
    indices = range(-(-replicates // size))
    seeds = [block_seed(problem, count, case.fixture.at, seed, size, index) for index in indices]
    return merged([measure_block(setting, size, each) for each in seeds])


@check
def mean_is_exact(case: Case) -> CheckResult:
    """The mean gradient is the exact one of the estimator's target, in every coordinate, at LEVEL.

    Skipped without an oracle, and for an estimator that says that it is biased: see `bias_is_found`.
    """
    if not case.estimator.unbiased:
        return skipped("the estimator is declared biased")
    return _mean(case)


def _mean(case: Case) -> CheckResult:
    params, exact = case.fixture.params, case.exact()
    if exact is None:
        return skipped(case.no_exact)
    truth = torch.cat([value.reshape(-1) for value in exact.values()]).numpy()
    if case.deterministic:
        return _same_every_time(case, truth)
    small = block_size(case.fixture.problem, case.num_samples, params) * 16 < REPLICATES
    moments = replicated(case, FEWER if small else REPLICATES, fewest=FEWEST_FOR_BIAS)
    bias = assess_bias(moments, truth, _rounding(moments, truth), deterministic=False)
    if bias.untested_coordinates and bias.verdict != "biased" and (missed := _missed(case, moments, truth)):
        return missed
    if bias.untested_coordinates and bias.verdict == "untested":
        return skipped(f"the mean cannot be tested: {bias.reason}")
    if bias.p_value is None or bias.coordinate is None:
        return failed(f"the mean cannot be tested: {bias.reason}")
    if bias.p_value >= LEVEL:
        return passed(bias.minimum_detectable)
    detail = f"the mean of {moments.replicates} replicates is off with p = {bias.p_value:.2g} ({LEVEL:.0e} is allowed)"
    return failed(detail, coordinate(params, bias.coordinate), bias.size, bias.minimum_detectable)


def _missed(case: Case, moments: Moments, truth: Array) -> CheckResult | None:
    """The failure of a coordinate that never varies, is off, and varies for another estimator; else None."""
    off = np.where(moments.second == 0, np.abs(moments.mean - truth), 0.0)
    if off.max() <= _rounding(moments, truth) or not _others_vary(case, truth):
        return None
    worst = int(off.argmax())
    detail = f"no two of {moments.replicates} replicates differ, and those of other estimators do"
    return failed(detail, coordinate(case.fixture.params, worst), float((moments.mean - truth)[worst]))


def _others_vary(case: Case, truth: Array) -> bool:
    """Whether another estimator, from as many draws, is unbiased with every coordinate tested.

    Then no rare event is the reason why a coordinate is equal in all replicates.
    """
    for other in known_methods(case):
        moments = replicated(other, REPLICATES)
        bias = assess_bias(moments, truth, _rounding(moments, truth), deterministic=False)
        if bias.verdict == "unbiased" and not bias.untested_coordinates:
            return True
    return False


def _same_every_time(case: Case, truth: Array) -> CheckResult:
    """A gradient without noise is compared once, up to rounding."""
    gradient = case.estimate(case.params((1,))).gradient
    found = np.concatenate([value[0].reshape(-1).numpy() for value in gradient.values()])
    rounding = ROUNDING * (1.0 + float(np.abs(truth).max(initial=0.0)))
    worst = int(np.abs(found - truth).argmax())
    if abs(found[worst] - truth[worst]) <= rounding:
        return passed(rounding)
    where = coordinate(case.fixture.params, worst)
    return failed(
        "declared deterministic, and differs from the exact gradient", where, float((found - truth)[worst]), rounding
    )


def _rounding(moments: Moments, truth: Array) -> float:
    scales = (np.abs(truth), np.abs(moments.mean), np.sqrt(moments.second / moments.units))
    return ROUNDING * max(1.0, *(float(scale.max(initial=0.0)) for scale in scales))


@check
def variance_falls_with_draws(case: Case) -> CheckResult:
    """The variance of an estimate from 8 draws is at most half of that from 2 draws, at LEVEL.

    It is a quarter for estimators that average independent draws, and less for those whose draws help each other; an
    estimator that declares `exact_variance_halves` must reach it. For a minibatch, it is the variance given the rows.
    """
    refusals = [replace(case, num_samples=count).refusal for count in (FEW, MANY)]
    if case.estimator.deterministic or any(refusals):
        return skipped(f"the estimator has no noise, or refuses {FEW} draws or {MANY}")
    if case.estimator.target.moves:
        return skipped("the target, and so the gradient, changes with num_samples")
    few, many = (replicated(case, FEWER, count) for count in (FEW, MANY))
    fall = variance_fall(few, many)
    if fall is None:
        return skipped("the variance is zero")
    excess, reach = fall
    declared = "exact_variance_halves" in case.estimator.properties
    if excess + (0.0 if declared else math.log(2)) < -reach:
        falls = MANY / FEW * math.exp(excess)
        detail = f"from {FEW} to {MANY} draws the variance falls by {falls:.3f} instead of {4 if declared else 2}"
        return failed(detail, error=-excess, smallest_detectable=reach)
    return passed(reach)


def variance_fall(few: Moments, many: Moments) -> tuple[float, float] | None:
    """log of the ratio of the variances over 4, and its half-width at LEVEL; None for a zero variance."""
    top, bottom = ((each.within_traces if each.paired else each.traces)[:, 0] for each in (few, many))
    if not top.mean() > 1e-24 * few.square_norms.mean():
        return None
    groups = min(len(top), len(bottom))
    quotient = ratio(top[:groups], bottom[:groups])
    if not quotient.value or quotient.stderr is None:
        return None
    reach = float(stats.t.isf(LEVEL / 2, groups - 1)) * quotient.stderr / quotient.value
    return math.log(quotient.value * FEW / MANY), reach


def bias_is_found(cases: Sequence[Case]) -> CheckResult:
    """An estimator that is declared biased is biased on at least one of its cases, at LEVEL for each."""
    biased = [result for case in cases if (result := labelled(_mean(case), BIAS_CHECK, case)).failed]
    if not biased:
        estimators = ", ".join(sorted({str(case.estimator) for case in cases}))
        return replace(failed("declared biased, and not biased on any case"), check=BIAS_CHECK, estimator=estimators)
    worst = max(biased, key=lambda result: abs(result.error or 0.0))
    return replace(worst, status="passed", detail=f"biased on {worst.where}")
