"""What some methods claim beyond the laws that bind all: invariances and zeros, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from benchmarks.block import seeded
from benchmarks.laws.cases import HOST, Case, Fixture, coordinate
from benchmarks.laws.findings import Finding, declined, failed, law, passed
from estimators.core import Params, Problem

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
