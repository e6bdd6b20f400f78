"""Laws of the exact mean and the exact variance, which cannot be unlucky: the draws are replaced by a grid's nodes."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from gradmark.benchmarks.checks.cases import Case, coordinate
from gradmark.benchmarks.checks.results import Finding, declined, failed, law, passed
from gradmark.benchmarks.quadrature import exact_moments as quadrature
from gradmark.benchmarks.quadrature.exact_moments import ExactMoments, NotAlone
from gradmark.benchmarks.quadrature.rules import Unreplaceable
from gradmark.benchmarks.quadrature.substitution import SharedDraw
from gradmark.estimators.core import Params

SAFETY = 10.0  # times the quadrature's own error
ROUNDING = 1e-8  # times 1 + |g| + sd
FLOOR = 1e-12  # times the same of the largest coordinate, of a sum over outcomes
GAMMA = 5e-4  # times 1 + |g|: torch's implicit gradient of a gamma draw is off by about 3e-5
HALF = {2.0: "half", math.sqrt(2): "0.71"}
CONVERGED = 1e-3  # times 1 + |g| + sd: a quadrature that sees less than that leaves the verdict to Monte Carlo


@cache
def exact_moments(case: Case) -> ExactMoments:
    """The exact mean and variance of one estimate of a case; raises as the quadrature does."""
    return quadrature.exact_moments(case.setting)


@cache
def _spread(case: Case) -> tuple[Tensor, Tensor]:
    return quadrature.spread(case.setting)


@law
def expectation_is_exact(case: Case) -> Finding:
    """The expectation of the code itself is the exact gradient of the estimator's target, in every coordinate.

    A replicate that depends on others breaks the law too. Declines where draws cannot be replaced, or are not made for
    each replicate (that they are not shared is a law of its own), where the quadrature has not converged, and without
    an oracle.
    """
    exact = case.exact()
    if exact is None:
        return declined(case.no_exact)
    try:
        moments = exact_moments(case)
    except (Unreplaceable, SharedDraw) as reason:
        return declined(str(reason))
    except NotAlone as reason:
        return failed(str(reason))
    return _compared(case, moments, torch.cat([value.reshape(-1) for value in exact.values()]))


def _compared(case: Case, moments: ExactMoments, truth: Tensor) -> Finding:
    scale = 1 + truth.abs() + moments.variance.sqrt()
    reach = SAFETY * moments.mean_error + ROUNDING * scale
    if moments.summed:  # every outcome is weighed by its probability: what is left is relative to the gradient itself
        reach = ROUNDING * (scale - 1) + FLOOR * scale.max()
    reach = torch.maximum(reach, GAMMA * (1 + truth.abs())) if moments.approximate else reach
    bias = moments.mean - truth
    if not bias.isfinite().all():
        return failed("some outcomes of the draws give NaN or infinity", _where(case, ~bias.isfinite()))
    if not (reach <= CONVERGED * scale).all():
        return declined(f"the quadrature has not converged: {moments.nodes} nodes leave {float(reach.max()):.2g}")
    worst = int((bias.abs() / reach).argmax())
    note = "; torch's implicit gamma gradient is good to 5e-4 only" if moments.approximate else ""
    said = f"the exact expectation, over {moments.nodes} outcomes of the draws{note}"
    if bias[worst].abs() <= reach[worst]:
        return passed(float(reach.max()), said)
    if moments.mean_error.any() and (doubted := SAFETY * _spread(case)[0].max()) > bias[worst].abs():
        return declined(f"the quadrature has not converged: other rules are off by {float(doubted):.2g}")
    return failed(f"{said}, is off", coordinate(case.fixture.params, worst), float(bias[worst]), float(reach[worst]))


def _where(case: Case, faulty: Tensor) -> str:
    return coordinate(case.fixture.params, int(faulty.long().argmax()))


@law
def exact_variance_falls(case: Case) -> Finding:
    """Twice the draws have the variance over √2 at most, in every coordinate, from the same state.

    It is half for methods that average independent draws, which may claim so: `exact_variance_halves`. Declines for a
    target that changes with the draws, on a source of problems, and where a variance is not known to 1 %.
    """
    return _fall(case, math.sqrt(2))


@law
def exact_variance_halves(case: Case) -> Finding:
    """Twice the draws have half the variance at most: claimed where draws are independent, or help each other."""
    return _fall(case, 2.0)


def _fall(case: Case, least: float) -> Finding:
    more = replace(case, num_samples=2 * case.num_samples, warmed_with=case.warmed_with or case.num_samples)
    reason = _incomparable(case, more)
    if reason is not None:
        return declined(reason)
    try:
        once, twice = exact_moments(case), exact_moments(more)
    except (Unreplaceable, SharedDraw, NotAlone) as reason:
        return declined(str(reason))
    reach = SAFETY * (once.variance_error / least + twice.variance_error) + ROUNDING * (1 + once.variance)
    if not (reach <= 0.01 * (1 + once.variance)).all():
        return declined(f"the variance's quadrature has not converged: {float(reach.max()):.2g}")
    excess = twice.variance - once.variance / least
    worst = int((excess / reach).argmax())
    if excess[worst] <= reach[worst]:
        return passed(float(reach.max()), f"exact total variance {once.total_variance:.6g}, {twice.total_variance:.6g}")
    if once.variance_error.any() or twice.variance_error.any():
        doubted = SAFETY * float((_spread(case)[1] / least + _spread(more)[1]).max())
        if doubted > excess[worst]:
            return declined(f"the variance's quadrature has not converged: {doubted:.2g}")
    detail = (
        f"from {case.num_samples} to {more.num_samples} draws the exact variance goes from "
        f"{float(once.variance[worst]):.4g} to {float(twice.variance[worst]):.4g}, and not to {HALF[least]} of it"
    )
    return failed(detail, coordinate(case.fixture.params, worst), float(excess[worst]), float(reach[worst]))


def _incomparable(case: Case, more: Case) -> str | None:
    """Why the variances of two numbers of draws cannot be compared, or None."""
    if case.fixture.is_source:
        return "the minibatch's part of the variance does not fall"
    refusal = case.refusal or more.refusal
    if refusal is not None:
        return refusal
    if case.estimator.deterministic:
        return "no noise"
    once, twice = case.exact(), more.exact()
    if once is None or twice is None:
        return case.no_exact
    return None if _close(once, twice) else "the target changes with the number of draws"


def _close(a: Params, b: Params) -> bool:
    return all(torch.allclose(a[name], b[name], 1e-9, 1e-9) for name in a)


def is_bias(finding: Finding) -> bool:
    """Whether a failed finding is a mean that is off, and not another fault."""
    return finding.failed and finding.size is not None and re.search("is off", finding.detail) is not None
