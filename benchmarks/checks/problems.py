"""Checks of every problem: shapes, parameters that matter, terms of the cost, and the oracle."""

from __future__ import annotations

import traceback

import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks.cases import HOST, Case, coordinate, uneven
from gradmark.benchmarks.checks.deterministic import drawn
from gradmark.benchmarks.checks.exceptions import blamed
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.estimators.core import Params, Problem, detached, gradient_of_sum

ROUNDING = 1e-12  # times 1 + the number: rounding of sums
CHANGED = 64  # draws, among which every coordinate of z changes
REPLICATES = 5
LEADING = "parameters have a leading axis of replicates, [R, …], and z has one of draws before it"
MAPPED = "inherit from ModuleModel, or call a model of one replicate by torch.func.vmap over the parameters"
DIFFERENCE = 1e-4  # step of the central differences


@check
def replicates_are_a_leading_axis(case: Case) -> CheckResult:
    """`distribution` and `cost` accept parameters `[R, …]`, and the batch shape of q begins with R."""
    try:
        _cost(*drawn(case, (), ()))  # raising without a leading axis is another failure
    except NotImplementedError:
        return skipped("q cannot be drawn from")
    try:
        problem, params, z = drawn(case, (REPLICATES,), (2,))
        _cost(problem, params, z)
    except Exception as fault:
        where = blamed(traceback.extract_tb(fault.__traceback__))
        return failed(f"{LEADING}; {type(fault).__name__} is raised{where}; {MAPPED}")
    batch = problem.distribution(params).batch_shape
    if batch[:1] != (REPLICATES,):
        return failed(f"{LEADING}; q has the batch {list(batch)} for {REPLICATES} replicates; {MAPPED}")
    return passed()


def _cost(problem: Problem, params: Params, z: torch.Tensor) -> torch.Tensor:
    return problem.cost(params, z, problem.distribution(params))


@check
def cost_has_the_shape_of_log_prob(case: Case) -> CheckResult:
    """`cost` maps z `[*S, *R, *B, d]` to `[*S, *R, *B]`, the shape of `q.log_prob(z)`; q's batch begins with `*R`."""
    for replicates in ((), (1,), (5,)):
        for samples in ((), (1,), (4,)):
            problem, params, z = drawn(case, replicates, samples)
            q = problem.distribution(params)
            cost = problem.cost(params, z, q)
            if q.batch_shape[: len(replicates)] != replicates:
                return failed(f"the batch of q, {list(q.batch_shape)}, must begin with {list(replicates)}")
            if cost.shape != q.log_prob(z).shape:
                return failed(
                    f"cost has the shape {list(cost.shape)}; it must be that of log q(z), {list(q.log_prob(z).shape)}"
                )
    return passed()


@check
def terms_are_the_cost(case: Case) -> CheckResult:
    """The terms add up to the cost, with its gradient, and each depends only on the coordinates of z that it names."""
    problem, params, z = drawn(case, (2,), (CHANGED,))
    q = problem.distribution(params)
    terms, cost = problem.terms(params, z, q), problem.cost(params, z, problem.distribution(params))
    if not terms:
        return skipped("the cost has no terms")
    total = torch.stack([term.value.expand_as(cost) for term in terms]).sum(0)
    if not _close(total, cost):
        return failed("the terms do not add up to the cost", error=float((total - cost).detach().abs().max()))
    found, expected = gradient_of_sum(total, params), gradient_of_sum(cost, params)
    for name, value in expected.items():
        if not torch.allclose(found[name], value, 1e-9, 1e-9):
            return failed("the gradients of the terms do not add up to the cost's", name)
    other, axis = z.roll(1, 0), -len(q.event_shape)
    for number, term in enumerate(terms):
        named = torch.tensor(term.coordinates, dtype=torch.long)
        moved = other.index_copy(axis, named, z.index_select(axis, named))
        if not _close(problem.terms(params, moved, q)[number].value, term.value):
            return failed(f"term {number} names the coordinates {term.coordinates}, and depends on others too")
    return passed(ROUNDING)


def _close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return bool(((found - expected).abs() <= ROUNDING * (1 + expected.abs())).all())


@check
def every_parameter_matters(case: Case) -> CheckResult:
    """Each parameter has a gradient, through q or through the cost.

    log q of each draw is weighted by an arbitrary number, not by its cost, which may be equal for all draws.
    """
    problem, params, z = drawn(case, (2,), (3,))
    q = problem.distribution(params)
    log_q, cost = q.log_prob(z), problem.cost(params, z, problem.distribution(detached(params)))
    of_q = gradient_of_sum(uneven(log_q) * log_q, params)
    of_cost = gradient_of_sum(cost, params)
    idle = [name for name in params if not (of_q[name].count_nonzero() or of_cost[name].count_nonzero())]
    return failed("neither q nor the cost depends on it", ", ".join(idle)) if idle else passed()


@check
def oracle_or_the_reason(case: Case) -> CheckResult:
    """`exact` has the batch shape of q where `no_oracle` is None, and is None where `no_oracle` gives the reason."""
    problem, params, _ = drawn(case, (2,), ())
    exact, reason = problem.exact(params), problem.no_oracle
    if exact is None:
        return failed("exact is None; then no_oracle must give the reason") if reason is None else passed(detail=reason)
    if reason is not None:
        return failed(f"exact is not None, though no_oracle gives the reason {reason!r}")
    batch = problem.distribution(params).batch_shape
    return (
        passed()
        if exact.shape == batch
        else failed(f"exact has the shape {list(exact.shape)}; it must be the batch of q, {list(batch)}")
    )


@check
def oracle_has_its_own_gradient(case: Case) -> CheckResult:
    """The oracle's gradient agrees with central differences, along one direction in each parameter."""
    problem = case.problem.template
    if problem.no_oracle is not None:
        return skipped(problem.no_oracle)
    params = {name: value.requires_grad_() for name, value in case.params.items()}
    exact = problem.exact(params)
    assert exact is not None, "no_oracle was None"
    gradient = gradient_of_sum(exact, params)
    for name, value in params.items():
        direction = torch.cos(1.0 + torch.arange(value.numel(), dtype=value.dtype)).view(value.shape)
        sides = [_at(problem, params, name, sign * DIFFERENCE * direction) for sign in (1, -1)]
        found, expected = (gradient[name] * direction).sum().item(), (sides[0] - sides[1]) / (2 * DIFFERENCE)
        if abs(found - expected) > 1e-5 * (1 + abs(expected)):
            return failed("the gradient of the oracle differs from its central differences", name, found - expected)
    return passed(1e-5)


def _at(problem: Problem, params: Params, name: str, offset: torch.Tensor) -> float:
    with torch.no_grad():
        exact = problem.exact({**params, name: params[name] + offset})
    assert exact is not None, "no_oracle was None"
    return exact.sum().item()


@check
def start_is_the_same_each_time(case: Case) -> CheckResult:
    """The problem's text makes an equal problem; `init` gives equal new tensors, float64 on the CPU."""
    problem = case.problem
    if specs.problem(str(problem)) != problem:
        return failed(f"{str(problem)!r} is read as {specs.problem(str(problem))!r}")
    first, second = problem.init(), problem.init()
    for name, value in first.items():
        if value.dtype != torch.float64 or value.device != HOST:
            return failed(f"{value.dtype} on {value.device}; it must be float64 on the CPU", name)
        if not torch.equal(value, second[name]):
            worst = int((value - second[name]).abs().argmax())
            return failed("init gives other numbers at the second call", coordinate({name: value}, worst))
        if value.untyped_storage().data_ptr() == second[name].untyped_storage().data_ptr():
            return failed("init gives the same tensor again; it must be a new one, since callers may change it", name)
    return passed()
