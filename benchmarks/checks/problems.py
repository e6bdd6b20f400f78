"""What every problem must obey: the one shape law, parameters that matter, an oracle or the reason why not."""

from __future__ import annotations

import traceback

import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks.cases import HOST, Fixture, coordinate, uneven
from gradmark.benchmarks.checks.deterministic import drawn
from gradmark.benchmarks.checks.exceptions import blamed
from gradmark.benchmarks.checks.results import Finding, declined, failed, law, passed
from gradmark.estimators.core import Params, Problem, detached, gradient_of_sum

ROUNDING = 1e-12  # times one plus the number: what the order of a sum may change
CHANGED = 64  # draws among which every coordinate is to change
REPLICATES = 5
LEADING = "parameters have a leading axis of replicates, [R, …], z one of draws before it"
MAPPED = "write the model for one replicate and call it by torch.func.vmap over the parameters"
DIFFERENCE = 1e-4  # step of the central differences that the oracle's gradient is held against


@law
def replicates_are_a_leading_axis(fixture: Fixture) -> Finding:
    """Parameters `[R, …]` are accepted by `distribution` and `cost`, and q's batch begins with R."""
    try:
        _cost(*drawn(fixture, (), ()))  # what raises without any leading axis is another fault
    except NotImplementedError:
        return declined("q cannot be drawn from")
    try:
        problem, params, z = drawn(fixture, (REPLICATES,), (2,))
        _cost(problem, params, z)
    except Exception as fault:
        where = blamed(traceback.extract_tb(fault.__traceback__))
        return failed(f"{LEADING}, and {type(fault).__name__} is raised{where}; {MAPPED}")
    batch = problem.distribution(params).batch_shape
    if batch[:1] != (REPLICATES,):
        return failed(f"{LEADING}, and q has the batch {list(batch)} for {REPLICATES} replicates; {MAPPED}")
    return passed()


def _cost(problem: Problem, params: Params, z: torch.Tensor) -> torch.Tensor:
    return problem.cost(params, z, problem.distribution(params))


@law
def cost_has_the_shape_of_log_prob(fixture: Fixture) -> Finding:
    """cost: z `[*S, *R, *B, d]` to `[*S, *R, *B]`, the shape of `q.log_prob(z)`; q's batch begins with `*R`."""
    for replicates in ((), (1,), (5,)):
        for samples in ((), (1,), (4,)):
            problem, params, z = drawn(fixture, replicates, samples)
            q = problem.distribution(params)
            cost = problem.cost(params, z, q)
            if q.batch_shape[: len(replicates)] != replicates:
                return failed(f"q has the batch {list(q.batch_shape)}, which does not begin with {list(replicates)}")
            if cost.shape != q.log_prob(z).shape:
                return failed(f"cost is {list(cost.shape)}, log q(z) is {list(q.log_prob(z).shape)}")
    return passed()


@law
def terms_are_the_cost(fixture: Fixture) -> Finding:
    """The terms add up to the cost, gradient included, and each is a function of the coordinates of z that it names."""
    problem, params, z = drawn(fixture, (2,), (CHANGED,))
    q = problem.distribution(params)
    terms, cost = problem.terms(params, z, q), problem.cost(params, z, problem.distribution(params))
    if not terms:
        return declined("the cost does not split")
    total = torch.stack([term.value.expand_as(cost) for term in terms]).sum(0)
    if not _close(total, cost):
        return failed("the terms do not add up to the cost", size=float((total - cost).detach().abs().max()))
    found, expected = gradient_of_sum(total, params), gradient_of_sum(cost, params)
    for name, value in expected.items():
        if not torch.allclose(found[name], value, 1e-9, 1e-9):
            return failed("the gradients of the terms do not add up to the cost's", name)
    other, axis = z.roll(1, 0), -len(q.event_shape)
    for number, term in enumerate(terms):
        named = torch.tensor(term.coordinates, dtype=torch.long)
        moved = other.index_copy(axis, named, z.index_select(axis, named))
        if not _close(problem.terms(params, moved, q)[number].value, term.value):
            return failed(f"term {number} names the coordinates {term.coordinates}, and reads others too")
    return passed(ROUNDING)


def _close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return bool(((found - expected).abs() <= ROUNDING * (1 + expected.abs())).all())


@law
def every_parameter_matters(fixture: Fixture) -> Finding:
    """Each parameter has a gradient, through q or through the cost.

    The weight of each draw's log q is a number of its own, and not its cost: the cost may be the same for all draws.
    """
    problem, params, z = drawn(fixture, (2,), (3,))
    q = problem.distribution(params)
    log_q, cost = q.log_prob(z), problem.cost(params, z, problem.distribution(detached(params)))
    of_q = gradient_of_sum(uneven(log_q) * log_q, params)
    of_cost = gradient_of_sum(cost, params)
    idle = [name for name in params if not (of_q[name].count_nonzero() or of_cost[name].count_nonzero())]
    return failed("neither q nor the cost depends on it", ", ".join(idle)) if idle else passed()


@law
def oracle_or_the_reason(fixture: Fixture) -> Finding:
    """`exact` answers where `no_oracle` is None, with q's batch shape, and is None where that says why."""
    problem, params, _ = drawn(fixture, (2,), ())
    exact, reason = problem.exact(params), problem.no_oracle
    if exact is None:
        return failed("exact is None, and no_oracle does not say why") if reason is None else passed(detail=reason)
    if reason is not None:
        return failed(f"there is an oracle, though no_oracle says that {reason}")
    batch = problem.distribution(params).batch_shape
    return passed() if exact.shape == batch else failed(f"exact is {list(exact.shape)}, q's batch {list(batch)}")


@law
def oracle_has_its_own_gradient(fixture: Fixture) -> Finding:
    """The oracle's gradient is that of central differences along one direction in each named parameter."""
    problem = fixture.problem.template
    if problem.no_oracle is not None:
        return declined(problem.no_oracle)
    params = {name: value.requires_grad_() for name, value in fixture.params.items()}
    exact = problem.exact(params)
    assert exact is not None, "no_oracle was None"
    gradient = gradient_of_sum(exact, params)
    for name, value in params.items():
        direction = torch.cos(1.0 + torch.arange(value.numel(), dtype=value.dtype)).view(value.shape)
        sides = [_at(problem, params, name, sign * DIFFERENCE * direction) for sign in (1, -1)]
        found, expected = (gradient[name] * direction).sum().item(), (sides[0] - sides[1]) / (2 * DIFFERENCE)
        if abs(found - expected) > 1e-5 * (1 + abs(expected)):
            return failed("the oracle cannot be differentiated as it stands", name, found - expected)
    return passed(1e-5)


def _at(problem: Problem, params: Params, name: str, offset: torch.Tensor) -> float:
    with torch.no_grad():
        exact = problem.exact({**params, name: params[name] + offset})
    assert exact is not None, "no_oracle was None"
    return exact.sum().item()


@law
def start_is_the_same_each_time(fixture: Fixture) -> Finding:
    """The text is the problem's identity; `init` is float64 on the CPU, and the same tensors' numbers at each call."""
    problem = fixture.problem
    if specs.problem(str(problem)) != problem:
        return failed(f"{str(problem)!r} is read as {specs.problem(str(problem))!r}")
    first, second = problem.init(), problem.init()
    for name, value in first.items():
        if value.dtype != torch.float64 or value.device != HOST:
            return failed(f"{value.dtype} on {value.device}, where float64 on the CPU is wanted", name)
        if not torch.equal(value, second[name]):
            worst = int((value - second[name]).abs().argmax())
            return failed("init gives other numbers at the second call", coordinate({name: value}, worst))
        if value.untyped_storage().data_ptr() == second[name].untyped_storage().data_ptr():
            return failed("init gives the same tensor again: whoever changes it changes the start of others", name)
    return passed()
