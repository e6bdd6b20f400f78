"""Checks of the exact mean and variance: quadrature replaces the draws, so that chance plays no part."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from gradmark.benchmarks.checks.cases import EstimatorCase, coordinate
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.benchmarks.quadrature import exact_moments as quadrature
from gradmark.benchmarks.quadrature.exact_moments import ExactMoments, NotAlone
from gradmark.benchmarks.quadrature.rules import Unreplaceable
from gradmark.benchmarks.quadrature.substitution import SharedDraw
from gradmark.estimators.core import Params

SAFETY = 10.0  # times the estimated error of the quadrature
ROUNDING = 1e-8  # times 1 + |g| + sd
FLOOR = 1e-12  # times the largest 1 + |g| + sd, where all outcomes are summed
GAMMA = 5e-4  # times 1 + |g|: the error of torch's implicit gradient of a gamma draw is about 3e-5
HALF = {2.0: "half", math.sqrt(2): "0.71"}
CONVERGED = 1e-3  # times 1 + |g| + sd: a quadrature with a larger error leaves the case to Monte Carlo


@cache
def exact_moments(case: EstimatorCase) -> ExactMoments:
    """The exact mean and variance of an estimate; raises what the quadrature raises."""
    return quadrature.exact_moments(case.setting)


@cache
def _spread(case: EstimatorCase) -> tuple[Tensor, Tensor]:
    return quadrature.spread(case.setting)


@check
def expectation_is_exact(case: EstimatorCase) -> CheckResult:
    """The expectation of the code itself is the exact gradient of the estimator's target, in every coordinate.

    It fails also where a replicate depends on others. Skipped without an oracle, where draws cannot be replaced or are
    not made for each replicate (another check finds shared draws), and where the quadrature has not converged.
    """
    return compared_mean(case)


def compared_mean(case: EstimatorCase, names: Collection[str] | None = None) -> CheckResult:
    """The expectation of the code beside the exact gradient, of the parameters `names` or of all of them."""
    exact = case.exact()
    if exact is None:
        return skipped(case.no_exact)
    try:
        moments = exact_moments(case)
    except (Unreplaceable, SharedDraw) as reason:
        return skipped(str(reason))
    except NotAlone as reason:
        return failed(str(reason))
    truth = torch.cat([value.reshape(-1) for value in exact.values()])
    if names is not None:
        chosen = [torch.full((value.numel(),), name in names) for name, value in exact.items()]
        truth = torch.where(torch.cat(chosen), truth, moments.mean)
    return _compared(case, moments, truth)


def _compared(case: EstimatorCase, moments: ExactMoments, truth: Tensor) -> CheckResult:
    scale = 1 + truth.abs() + moments.variance.sqrt()
    reach = SAFETY * moments.mean_error + ROUNDING * scale
    if moments.summed:  # every outcome is weighted by its probability: only rounding is left
        reach = ROUNDING * (scale - 1) + FLOOR * scale.max()
    reach = torch.maximum(reach, GAMMA * (1 + truth.abs())) if moments.approximate else reach
    bias = moments.mean - truth
    if not bias.isfinite().all():
        return failed("some outcomes of the draws give NaN or infinity", _where(case, ~bias.isfinite()))
    if not (reach <= CONVERGED * scale).all():
        return skipped(f"the quadrature has not converged: {moments.nodes} nodes leave {float(reach.max()):.2g}")
    worst = int((bias.abs() / reach).argmax())
    note = "; torch's implicit gamma gradient is accurate to 5e-4 only" if moments.approximate else ""
    mean = f"the exact expectation, over {moments.nodes} outcomes of the draws{note}"
    if bias[worst].abs() <= reach[worst]:
        return passed(float(reach.max()), mean)
    if moments.mean_error.any() and (doubt := SAFETY * _spread(case)[0].max()) > bias[worst].abs():
        return skipped(f"the quadrature has not converged: other rules are off by {float(doubt):.2g}")
    return failed(f"{mean}, is off", coordinate(case.on.params, worst), float(bias[worst]), float(reach[worst]))


def _where(case: EstimatorCase, faulty: Tensor) -> str:
    return coordinate(case.on.params, int(faulty.long().argmax()))


@check
def exact_variance_falls(case: EstimatorCase) -> CheckResult:
    """Twice as many draws divide the variance by at least √2, in every coordinate, from the same state.

    Estimators that average independent draws halve it, and may declare `exact_variance_halves`. Skipped for a target
    that changes with num_samples, on a source of problems, and where a variance is not known to 1 %.
    """
    return _fall(case, math.sqrt(2))


@check
def exact_variance_halves(case: EstimatorCase) -> CheckResult:
    """Twice as many draws at least halve the variance: true where draws are independent, or help each other."""
    return _fall(case, 2.0)


def _fall(case: EstimatorCase, least: float) -> CheckResult:
    more = replace(case, num_samples=2 * case.num_samples, warmed_with=case.warmed_with or case.num_samples)
    reason = _incomparable(case, more)
    if reason is not None:
        return skipped(reason)
    try:
        once, twice = exact_moments(case), exact_moments(more)
    except (Unreplaceable, SharedDraw, NotAlone) as reason:
        return skipped(str(reason))
    reach = SAFETY * (once.variance_error / least + twice.variance_error) + ROUNDING * (1 + once.variance)
    if not (reach <= 0.01 * (1 + once.variance)).all():
        return skipped(f"the variance's quadrature has not converged: {float(reach.max()):.2g}")
    excess = twice.variance - once.variance / least
    worst = int((excess / reach).argmax())
    if excess[worst] <= reach[worst]:
        return passed(float(reach.max()), f"exact total variance {once.total_variance:.6g}, {twice.total_variance:.6g}")
    if once.variance_error.any() or twice.variance_error.any():
        doubt = SAFETY * float((_spread(case)[1] / least + _spread(more)[1]).max())
        if doubt > excess[worst]:
            return skipped(f"the variance's quadrature has not converged: {doubt:.2g}")
    detail = (
        f"the exact variance from {case.num_samples} draws is {float(once.variance[worst]):.4g}, from "
        f"{more.num_samples} it is {float(twice.variance[worst]):.4g}; it must fall to {HALF[least]} of it"
    )
    return failed(detail, coordinate(case.on.params, worst), float(excess[worst]), float(reach[worst]))


def _incomparable(case: EstimatorCase, more: EstimatorCase) -> str | None:
    """Why the variances for two values of num_samples cannot be compared, or None."""
    if case.on.is_source:
        return "the minibatch's part of the variance does not depend on num_samples"
    refusal = case.refusal or more.refusal
    if refusal is not None:
        return refusal
    if case.estimator.deterministic:
        return "the estimator has no noise"
    once, twice = case.exact(), more.exact()
    if once is None or twice is None:
        return case.no_exact
    return None if _close(once, twice) else "the target changes with num_samples"


def _close(a: Params, b: Params) -> bool:
    return all(torch.allclose(a[name], b[name], 1e-9, 1e-9) for name in a)


def is_bias(result: CheckResult) -> bool:
    """Whether a result failed because the mean is off, and not for another reason."""
    return result.failed and result.error is not None and re.search("is off", result.detail) is not None
