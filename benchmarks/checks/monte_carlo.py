"""Laws of the mean and of the variance, by many replicates at a fixed number and a stated level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy import stats

from gradmark.benchmarks.checks.cases import Case, coordinate
from gradmark.benchmarks.checks.control_variates import known_methods
from gradmark.benchmarks.checks.results import Finding, declined, failed, law, passed
from gradmark.benchmarks.measurement.bias_test import FEWEST_FOR_BIAS, assess_bias
from gradmark.benchmarks.measurement.block import block_seed, block_size, measure_block
from gradmark.benchmarks.measurement.moments import Array, Moments, merged
from gradmark.benchmarks.measurement.quantities import ratio

LEVEL = 1e-6  # chance that one case is failed wrongly, over all of its coordinates; seeds are fixed, so never by turns
REPLICATES = 16384  # of a test of bias
FEWER = 4096  # of a test of the variance's fall, and of a test of bias whose blocks are small
FEW, MANY = 2, 8  # draws between which the variance has to fall
FEWEST = 128  # where MOST_NUMBERS allows no more
MOST_NUMBERS = 2**25  # of all evaluations of the cost, over all replicates: for those who make hundreds in an estimate
ROUNDING = 64 * 2.0**-52  # of the largest number involved


def replicated(
    case: Case, replicates: int, num_samples: int | None = None, seed: int = 0, fewest: int = FEWEST
) -> Moments:
    """The moments of whole blocks of replicates, at least as many as asked; the state is the case's in any event.

    Where an estimator makes so many evaluations that they would come to more than MOST_NUMBERS, there are only so many
    replicates, `fewest` at least, and blocks are smaller.
    """
    problem, count = case.fixture.problem, num_samples or case.num_samples
    setting = replace(case.setting, num_samples=count)  # the state is the case's in any event
    size, numbers = block_size(problem, count, setting.params), case.numbers(count)
    if (room := max(MOST_NUMBERS // numbers, fewest)) < replicates:
        size, replicates = block_size(problem, -(-numbers // problem.footprint), setting.params), room
    indices = range(-(-replicates // size))
    seeds = [block_seed(problem, count, case.fixture.place, seed, size, index) for index in indices]
    return merged([measure_block(setting, size, each) for each in seeds])


@law
def mean_is_exact(case: Case) -> Finding:
    """The mean gradient is the exact one of the estimator's target, in every coordinate, at LEVEL.

    Declines without an oracle, and for an estimator that says that it is biased: see `bias_is_found`.
    """
    if not case.estimator.unbiased:
        return declined("the estimator is declared biased")
    return _mean(case)


def _mean(case: Case) -> Finding:
    params, exact = case.fixture.params, case.exact()
    if exact is None:
        return declined(case.no_exact)
    truth = torch.cat([value.reshape(-1) for value in exact.values()]).numpy()
    if case.deterministic:
        return _same_every_time(case, truth)
    small = block_size(case.fixture.problem, case.num_samples, params) * 16 < REPLICATES
    moments = replicated(case, FEWER if small else REPLICATES, fewest=FEWEST_FOR_BIAS)
    verdict = assess_bias(moments, truth, _rounding(moments, truth), deterministic=False)
    if verdict.untested_coordinates and verdict.verdict != "biased" and (missed := _missed(case, moments, truth)):
        return missed
    if verdict.untested_coordinates and verdict.verdict == "untested":
        return declined(f"the mean cannot be judged: {verdict.reason}")
    if verdict.p_value is None or verdict.coordinate is None:
        return failed(f"the mean cannot be judged: {verdict.reason}")
    if verdict.p_value >= LEVEL:
        return passed(verdict.minimum_detectable)
    detail = (
        f"the mean of {moments.replicates} replicates is off with p = {verdict.p_value:.2g} ({LEVEL:.0e} is allowed)"
    )
    return failed(detail, coordinate(params, verdict.coordinate), verdict.size, verdict.minimum_detectable)


def _missed(case: Case, moments: Moments, truth: Array) -> Finding | None:
    """The fault of a coordinate that never varies, is off, and is tested with another method; None without one."""
    off = np.where(moments.second == 0, np.abs(moments.mean - truth), 0.0)
    if off.max() <= _rounding(moments, truth) or not _others_see(case, truth):
        return None
    worst = int(off.argmax())
    detail = f"no two of {moments.replicates} replicates differ, and other methods see what they miss"
    return failed(detail, coordinate(case.fixture.params, worst), float((moments.mean - truth)[worst]))


def _others_see(case: Case, truth: Array) -> bool:
    """Whether another method, from as many draws, is right with every coordinate tested: so no rare event is behind it.

    A coordinate that is the same in all replicates may only lack an event that none has seen.
    """
    for other in known_methods(case):
        moments = replicated(other, REPLICATES)
        verdict = assess_bias(moments, truth, _rounding(moments, truth), deterministic=False)
        if verdict.verdict == "unbiased" and not verdict.untested_coordinates:
            return True
    return False


def _same_every_time(case: Case, truth: Array) -> Finding:
    """A gradient without noise is compared once, up to rounding."""
    gradient = case.estimate(case.params((1,))).gradient
    found = np.concatenate([value[0].reshape(-1).numpy() for value in gradient.values()])
    rounding = ROUNDING * (1.0 + float(np.abs(truth).max(initial=0.0)))
    worst = int(np.abs(found - truth).argmax())
    if abs(found[worst] - truth[worst]) <= rounding:
        return passed(rounding)
    where = coordinate(case.fixture.params, worst)
    return failed("declared deterministic, and not the exact gradient", where, float((found - truth)[worst]), rounding)


def _rounding(moments: Moments, truth: Array) -> float:
    scales = (np.abs(truth), np.abs(moments.mean), np.sqrt(moments.second / moments.units))
    return ROUNDING * max(1.0, *(float(scale.max(initial=0.0)) for scale in scales))


@law
def variance_falls_with_draws(case: Case) -> Finding:
    """The variance of an estimate from 8 draws is at most half of that from 2, at LEVEL.

    It is a quarter for methods that average independent draws, and less for those whose draws help each other: who
    claims `exact_variance_halves` is held to it. The rows of a minibatch are not more by it: what falls is the
    estimator's noise given the rows.
    """
    refusals = [replace(case, num_samples=count).refusal for count in (FEW, MANY)]
    if case.estimator.deterministic or any(refusals):
        return declined(f"no noise, or no estimate from {FEW} draws or from {MANY}")
    if case.estimator.target.moves:
        return declined("the target is another one for each number of draws, and so is the gradient")
    few, many = (replicated(case, FEWER, count) for count in (FEW, MANY))
    fall = quartered(few, many)
    if fall is None:
        return declined("the variance is zero")
    excess, reach = fall
    claimed = "exact_variance_halves" in case.estimator.claims
    if excess + (0.0 if claimed else math.log(2)) < -reach:
        falls = MANY / FEW * math.exp(excess)
        detail = f"from {FEW} to {MANY} draws the variance falls by {falls:.3f} instead of {4 if claimed else 2}"
        return failed(detail, size=-excess, visible=reach)
    return passed(reach)


def quartered(few: Moments, many: Moments) -> tuple[float, float] | None:
    """log of the variance's fall over 4, and how far from 0 chance can take it at LEVEL; None for a zero variance."""
    top, bottom = ((each.within_traces if each.paired else each.traces)[:, 0] for each in (few, many))
    if not top.mean() > 1e-24 * few.square_norms.mean():
        return None
    groups = min(len(top), len(bottom))
    reading = ratio(top[:groups], bottom[:groups])
    if not reading.value or reading.stderr is None:
        return None
    reach = float(stats.t.isf(LEVEL / 2, groups - 1)) * reading.stderr / reading.value
    return math.log(reading.value * FEW / MANY), reach


def bias_is_found(found: Sequence[Case]) -> Finding:
    """An estimator that is declared biased is found biased on at least one of its cases, at LEVEL for each."""
    findings = [replace(_mean(case), subject=str(case)) for case in found]
    biased = [finding for finding in findings if finding.failed]
    signed = {"law": "bias_is_found", "subject": ", ".join(sorted({str(case.estimator) for case in found}))}
    if not biased:
        return replace(failed("declared biased, and found biased nowhere"), **signed)
    worst = max(biased, key=lambda finding: abs(finding.size or 0.0))
    return replace(worst, **signed, status="passed", detail=f"biased on {worst.subject}")
