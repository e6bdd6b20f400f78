"""The property of estimators that are biased, but not for a cost that is quadratic between the states of z."""

from __future__ import annotations

from functools import cache

import torch

from gradmark.benchmarks.checks.cases import HOST, Case, EstimatorCase
from gradmark.benchmarks.checks.exact_moments import expectation_is_exact
from gradmark.benchmarks.checks.results import CheckResult, check, skipped
from gradmark.benchmarks.measurement.block import seeded
from gradmark.estimators.couplings import relaxation

PAIRS = 64  # of states, between which the cost is compared with a quadratic


@check
def exact_for_quadratic_costs(case: EstimatorCase) -> CheckResult:
    """Where the cost is quadratic between the states of z, the mean is exact in spite of a declared bias."""
    if case.on.is_source:
        return skipped("the problem is a source of problems")
    if not quadratic_between_states(case.on):
        return skipped("the cost is not quadratic between the states of z")
    return expectation_is_exact(case)


@cache
def quadratic_between_states(on: Case) -> bool:
    """Whether the trapezoidal rule gives the difference of the cost between states, in many pairs of states.

    The states are drawn evenly, and not from q, of which one state may have nearly all the probability.
    """
    q = on.problem.distribution(on.params)
    found = relaxation(q)
    if found is None or not on.problem.differentiable:
        return False
    even = type(found)(torch.zeros_like(found.logits))
    with seeded(1, HOST), torch.enable_grad():
        z = even.hard(even.noisy(2 * PAIRS)).requires_grad_()
        cost = on.problem.cost(on.params, z, q)
        (slope,) = torch.autograd.grad(cost.sum(), [z])
    rise = (slope.unflatten(0, (2, PAIRS)).mean(0) * (z[PAIRS:] - z[:PAIRS])).flatten(cost.dim()).sum(-1)
    return torch.allclose(cost[PAIRS:] - cost[:PAIRS], rise, 1e-9, 1e-9)
