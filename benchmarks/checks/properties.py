"""What some methods claim beyond the laws that bind all: invariances, zeros and reductions, draw by draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks.cases import HOST, Case, Fixture, coordinate
from gradmark.benchmarks.checks.exact_moments import exact_variance_halves
from gradmark.benchmarks.checks.order import Untold, in_two_orders
from gradmark.benchmarks.checks.results import Finding, declined, failed, law, passed
from gradmark.benchmarks.checks.shared_draws import MEANT
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.cost import one_estimate, watched
from gradmark.estimators.core import Params, Problem

FRESH = 1024  # draws of q, which are all different where z is continuous; of two in 10⁵ cases where they repeat, too
TOLERANCE = 1e-10  # times one plus the largest number of the gradient


@dataclass(frozen=True)
class Raised(Problem):
    """`problem` with `amount` added to its cost: the gradient of the expectation is the same."""

    problem: Problem
    amount: float = 10.0

    def init(self) -> Params:
        return self.problem.init()

    def distribution(self, params: Params) -> Distribution:
        return self.problem.distribution(params)

    def cost(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> Float[Tensor, "*batch"]:
        return self.problem.cost(params, z, q) + self.amount

    def exact(self, params: Params) -> Tensor | None:
        exact = self.problem.exact(params)
        return None if exact is None else exact + self.amount

    @property
    def no_oracle(self) -> str | None:
        return self.problem.no_oracle

    @property
    def differentiable(self) -> bool:
        return self.problem.differentiable

    @property
    def footprint(self) -> int:
        return self.problem.footprint


@law
def constants_change_nothing(case: Case) -> Finding:
    """A constant added to the cost changes no draw of the gradient: claimed by baselines made of other draws."""
    if case.fixture.is_source:
        return declined("the constant is added to a problem, not to a source of problems")
    raised = replace(case, fixture=Fixture(Raised(case.fixture.problem), "init"))
    if raised.refusal is not None:
        return declined(raised.refusal)
    params = case.params((32,))
    return _difference(case, case.estimate(params).gradient, raised.estimate(params).gradient)


@law
def zero_at_the_posterior(case: Case) -> Finding:
    """Where q is the posterior, the gradient of q's parameters is zero for every draw: what sticks the landing."""
    if case.fixture.place != "posterior":
        return declined("q is not the posterior here")
    gradient = case.estimate(case.params((32,))).gradient
    of_q = {name: gradient[name] for name in variational(case)}
    return _difference(case, {name: torch.zeros_like(value) for name, value in of_q.items()}, of_q)


@law
def order_changes_nothing(case: Case) -> Finding:
    """The same draws in another order give the same gradient: claimed by plain averages and leave-one-out."""
    if case.num_samples < 2:
        return declined("one draw has one order")
    try:
        return _difference(case, *in_two_orders(case))
    except Untold as reason:
        return declined(str(reason))


@law
def draws_are_distinct(case: Case) -> Finding:
    """No z is handed to the cost twice where z is continuous: drawn once and used twice is one draw, and not two.

    z is taken as continuous where no two of many fresh draws of q are equal: a q need not say what its support is.
    """
    setting, seen = replace(case.setting, problem=case.fixture.problem.draw(1)), list[Tensor]()
    with seeded(1, HOST):
        one_estimate(replace(setting, problem=watched(setting.problem, seen.append)))()
        fresh = setting.problem.distribution(case.params((1,))).sample((FRESH,))
    if not seen or _distinct(fresh) < FRESH:
        return declined("draws of q may be equal, or the cost of none is evaluated")
    for z in seen:
        if (count := _distinct(z)) < len(z):
            return failed(f"{len(z)} draws are evaluated at once, and {count} of them are distinct")
    return passed()


def _distinct(z: Tensor) -> int:
    """How many of the draws `[S, …]` differ from each other."""
    return len(torch.unique(z.detach().reshape(len(z), -1), dim=0))


def is_the_same_as(
    name: str, method: str, num_samples: int | None = None, state: str | None = None, of_q: bool = False
) -> Callable[[Case], Finding]:
    """The law `name`: from the same seed the estimator's gradient is that of `method`.

    It binds for `num_samples` draws only, or in the `state` only, or only for parameters that q alone depends on.
    """

    def same(case: Case) -> Finding:
        count = num_samples or case.num_samples
        if state is not None and case.state != state:
            return declined(f"claimed of the {state} state")
        this = replace(case, num_samples=count)
        other = replace(this, estimator=specs.catalogue("estimator")[method](), state="none")
        refusal = this.refusal or other.refusal
        if refusal is not None:
            return declined(refusal)
        params = case.params((32,))
        expected, found = other.estimate(params).gradient, this.estimate(params).gradient
        if of_q:
            model = modelled(case)
            expected = {key: value for key, value in expected.items() if key not in model}
        return _difference(case, expected, found) if expected else declined("no parameter is q's alone")

    same.__name__ = name
    return law(same)


CLAIMS = (
    constants_change_nothing,
    zero_at_the_posterior,
    order_changes_nothing,
    exact_variance_halves,
    draws_are_distinct,
    is_the_same_as("one_draw_is_reparameterization", "Reparameterization", num_samples=1),
    is_the_same_as("one_draw_is_sticking_the_landing", "StickingTheLanding", num_samples=1),
    is_the_same_as("cold_is_score_function", "ScoreFunction", state="cold"),
    is_the_same_as("of_q_is_leave_one_out", "LeaveOneOut", of_q=True),
)


@law
def claims_are_known(case: Case) -> Finding:
    """Every claim is the name of a law, or of what is excused where it is meant: a misspelt one would claim nothing."""
    known = [*(each.__name__ for each in CLAIMS), MEANT]
    unknown = [name for name in case.estimator.claims if name not in known]
    return failed(f"claims {', '.join(unknown)}; known are {', '.join(known)}") if unknown else passed()


def modelled(case: Case) -> list[str]:
    """The names of the parameters that the cost depends on beside q."""
    leaves = {name: value.requires_grad_() for name, value in case.params((1,)).items()}
    with seeded(1, HOST):
        problem = case.fixture.problem.draw(1)
        q = problem.distribution(case.params((1,)))
        cost = problem.cost(leaves, q.sample(), q)
    if not cost.requires_grad:
        return []
    found = torch.autograd.grad(cost.sum(), list(leaves.values()), allow_unused=True)
    return [name for name, value in zip(leaves, found, strict=True) if value is not None]


def variational(case: Case) -> list[str]:
    """The names of the parameters that q depends on."""
    leaves = {name: value.requires_grad_() for name, value in case.params((1,)).items()}
    with seeded(1, HOST):
        q = case.fixture.problem.template.distribution(leaves)
        log_q = q.log_prob(q.sample())
    found = torch.autograd.grad(log_q.sum(), list(leaves.values()), allow_unused=True)
    return [name for name, value in zip(leaves, found, strict=True) if value is not None]


def _difference(case: Case, expected: Params, found: Params) -> Finding:
    """Equal up to rounding in every draw and coordinate."""
    flat = torch.cat([(found[name] - value).flatten(1) for name, value in expected.items()], 1).abs().amax(0)
    scale = 1.0 + max(value.abs().max().item() for value in expected.values())
    worst = int(flat.argmax())
    if flat[worst] <= TOLERANCE * scale:
        return passed(TOLERANCE * scale)
    where = coordinate({name: value[0] for name, value in expected.items()}, worst)
    return failed("draws of the gradient differ", where, flat[worst].item(), TOLERANCE * scale)
