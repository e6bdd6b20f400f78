"""The check that the variance falls with the number of draws, by Monte Carlo, at a stated level."""

from __future__ import annotations

import math
from dataclasses import replace

from gradmark.benchmarks.checks.cases import EstimatorCase
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.benchmarks.measurement.block import block_size
from gradmark.benchmarks.measurement.moments import Moments
from gradmark.benchmarks.measurement.quantiles import t_isf
from gradmark.benchmarks.measurement.quantities import ratio
from gradmark.benchmarks.measurement.replicates import moments_at

LEVEL = 1e-6  # false-alarm rate of one case; seeds are fixed, so results do not flicker
REPLICATES = 4096
FEW, MANY = 2, 8  # num_samples whose variances are compared
FEWEST = 128  # replicates where MOST_NUMBERS allows no more
MOST_NUMBERS = 2**25  # in all evaluations of the cost, over all replicates


def replicated(case: EstimatorCase, replicates: int, num_samples: int) -> Moments:
    """The moments of whole blocks of at least `replicates` replicates, with the state of the case.

    Where the evaluations would take more than MOST_NUMBERS numbers, there are fewer replicates, at least FEWEST, in
    smaller blocks.
    """
    setting = replace(case.setting, num_samples=num_samples)
    numbers, size = case.numbers(num_samples), None
    if (room := max(MOST_NUMBERS // numbers, FEWEST)) < replicates:
        evaluations = -(-numbers // setting.problem.footprint)
        size, replicates = block_size(setting.problem, evaluations, setting.params), room
    return moments_at(setting, case.on.at, 0, replicates, size)


@check
def variance_falls_with_draws(case: EstimatorCase) -> CheckResult:
    """The variance of an estimate from 8 draws is at most half of that from 2 draws, at LEVEL.

    It is a quarter for estimators that average independent draws, and less for those whose draws help each other; an
    estimator that declares `exact_variance_halves` must reach it. For a minibatch, it is the variance given the rows.
    """
    refusals = [replace(case, num_samples=count).refusal for count in (FEW, MANY)]
    if case.estimator.deterministic or any(refusals):
        return skipped(f"the estimator has no noise, or refuses {FEW} draws or {MANY}")
    if case.estimator.target.moves:
        return skipped("the target, and so the gradient, changes with num_samples")
    few, many = (replicated(case, REPLICATES, count) for count in (FEW, MANY))
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
    reach = t_isf(LEVEL / 2, groups - 1) * quotient.stderr / quotient.value
    return math.log(quotient.value * FEW / MANY), reach
