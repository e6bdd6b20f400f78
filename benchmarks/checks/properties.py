"""Properties that estimators may declare: invariances, zeros, and special cases that equal another estimator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks.cases import HOST, Case, EstimatorCase, coordinate, largest_differences
from gradmark.benchmarks.checks.exact_moments import exact_variance_halves
from gradmark.benchmarks.checks.meta_device import ANY_DEVICE
from gradmark.benchmarks.checks.model_parameters import unbiased_for_the_model, variational
from gradmark.benchmarks.checks.order import UnknownAxis, in_two_orders
from gradmark.benchmarks.checks.quadratic_costs import exact_for_quadratic_costs
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.benchmarks.checks.shared_draws import SHARED_NOISE
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.timing import one_estimate
from gradmark.benchmarks.measurement.watching import showing
from gradmark.estimators.core import Params, Problem

FRESH = 1024  # draws of q, all different where z is continuous; of 10⁵ values two are likely to be equal
TOLERANCE = 1e-10  # times 1 + the largest number of the gradient


@dataclass(frozen=True)
class Raised(Problem):
    """`problem` with `amount` added to its cost, which leaves the gradient of the expected cost unchanged."""

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


@check
def constants_change_nothing(case: EstimatorCase) -> CheckResult:
    """A constant added to the cost changes no estimate: true for baselines that are made of the other draws."""
    if case.on.is_source:
        return skipped("a constant cannot be added to a minibatch")
    raised = replace(case, on=Case(Raised(case.on.problem), "init"))
    if raised.refusal is not None:
        return skipped(raised.refusal)
    params = case.params((32,))
    return _difference(case, case.estimate(params).gradient, raised.estimate(params).gradient)


@check
def zero_at_the_posterior(case: EstimatorCase) -> CheckResult:
    """Where q is the posterior, every estimate for q's parameters is zero, as in sticking the landing."""
    if case.on.at != "posterior":
        return skipped("q is not the posterior here")
    gradient = case.estimate(case.params((32,))).gradient
    of_q = {name: gradient[name] for name in variational(case)}
    return _difference(case, {name: torch.zeros_like(value) for name, value in of_q.items()}, of_q)


@check
def order_changes_nothing(case: EstimatorCase) -> CheckResult:
    """The same draws in another order give the same estimate: true for plain averages and leave-one-out."""
    if case.num_samples < 2:
        return skipped("one draw has only one order")
    try:
        return _difference(case, *in_two_orders(case))
    except UnknownAxis as reason:
        return skipped(str(reason))


@check
def draws_are_distinct(case: EstimatorCase) -> CheckResult:
    """The cost is never evaluated twice at the same continuous z, which would be one draw counted as two.

    z counts as continuous where no two of many fresh draws of q are equal, since q need not declare its support.
    """
    setting, seen = replace(case.setting, problem=case.on.problem.draw(1)), list[Tensor]()
    with seeded(1, HOST):
        one_estimate(replace(setting, problem=showing(setting.problem, seen.append)))()
        fresh = setting.problem.distribution(case.params((1,))).sample((FRESH,))
    if not seen or _distinct(fresh) < FRESH:
        return skipped("draws of q may be equal, or the cost is not evaluated at any")
    for z in seen:
        if (count := _distinct(z)) < len(z):
            return failed(f"{len(z)} draws are evaluated at once, and {count} of them are distinct")
    return passed()


def _distinct(z: Tensor) -> int:
    """How many of the draws `[S, …]` differ from each other."""
    return len(torch.unique(z.detach().reshape(len(z), -1), dim=0))


def is_the_same_as(
    name: str, method: str, num_samples: int | None = None, state: str | None = None, of_q: bool = False
) -> Callable[[EstimatorCase], CheckResult]:
    """The check `name`: from the same seed, the estimate equals that of `method`.

    It may apply only with `num_samples` draws, only in one `state`, or only to the parameters of q that the cost does
    not depend on (`of_q`).
    """

    def same(case: EstimatorCase) -> CheckResult:
        count = num_samples or case.num_samples
        if state is not None and case.state != state:
            return skipped(f"declared for the {state} state only")
        this = replace(case, num_samples=count)
        other = replace(this, estimator=specs.catalogue("estimator")[method](), state="none")
        refusal = this.refusal or other.refusal
        if refusal is not None:
            return skipped(refusal)
        params = case.params((32,))
        expected, found = other.estimate(params).gradient, this.estimate(params).gradient
        if of_q:
            model = modelled(case)
            expected = {key: value for key, value in expected.items() if key not in model}
        return _difference(case, expected, found) if expected else skipped("the cost depends on every parameter of q")

    same.__name__ = name
    return check(same)


PROPERTIES = (
    constants_change_nothing,
    zero_at_the_posterior,
    order_changes_nothing,
    exact_variance_halves,
    exact_for_quadratic_costs,
    unbiased_for_the_model,
    draws_are_distinct,
    is_the_same_as("one_draw_is_reparameterization", "Reparameterization", num_samples=1),
    is_the_same_as("one_draw_is_sticking_the_landing", "StickingTheLanding", num_samples=1),
    is_the_same_as("cold_is_score_function", "ScoreFunction", state="cold"),
    is_the_same_as("of_q_is_leave_one_out", "LeaveOneOut", of_q=True),
)


@check
def properties_are_known(case: EstimatorCase) -> CheckResult:
    """Every declared property must be known: a misspelled one would be ignored."""
    if isinstance(getattr(type(case.estimator), "claims", None), tuple):  # the attribute's former name
        return failed("the class attribute `claims` must be called `properties`; rename it")
    known = [*(each.__name__ for each in PROPERTIES), SHARED_NOISE, ANY_DEVICE]
    unknown = [name for name in case.estimator.properties if name not in known]
    if unknown:
        return failed(f"properties = ({', '.join(unknown)}) must be among {', '.join(known)}")
    return passed()


def modelled(case: EstimatorCase) -> list[str]:
    """The names of the parameters that the cost depends on directly, not only through q."""
    leaves = {name: value.requires_grad_() for name, value in case.params((1,)).items()}
    with seeded(1, HOST):
        problem = case.on.problem.draw(1)
        q = problem.distribution(case.params((1,)))
        cost = problem.cost(leaves, q.sample(), q)
    if not cost.requires_grad:
        return []
    found = torch.autograd.grad(cost.sum(), list(leaves.values()), allow_unused=True)
    return [name for name, value in zip(leaves, found, strict=True) if value is not None]


def _difference(case: EstimatorCase, expected: Params, found: Params) -> CheckResult:
    """Whether two gradients are equal up to rounding in every replicate and coordinate."""
    flat = largest_differences(found, expected)
    scale = 1.0 + max(value.abs().max().item() for value in expected.values())
    worst = int(flat.argmax())
    if flat[worst] <= TOLERANCE * scale:
        return passed(TOLERANCE * scale)
    where = coordinate({name: value[0] for name, value in expected.items()}, worst)
    return failed("the estimates differ", where, flat[worst].item(), TOLERANCE * scale)
