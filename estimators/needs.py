"""What methods need of a problem beyond its cost: a path that can be differentiated."""

from __future__ import annotations

from functools import cache

from torch.distributions import (
    Beta,
    Dirichlet,
    FisherSnedecor,
    Gamma,
    Independent,
    StudentT,
    TransformedDistribution,
)

from estimators.core import Problem, reparameterizable


@cache
def implicit(problem: Problem) -> bool:
    """Whether `rsample` draws by rejection, so that torch differentiates the draw through its distribution function."""
    q = problem.distribution(problem.init())
    while isinstance(q, Independent | TransformedDistribution):
        q = q.base_dist
    return isinstance(q, Gamma | Beta | Dirichlet | StudentT | FisherSnedecor)


@cache
def no_path(problem: Problem) -> str | None:
    """None where the cost can be differentiated along the path of its draw; else why not, with the remedy."""
    if not problem.differentiable:
        return (
            "the cost has steps, of which its derivative in z says nothing; use a score-function method: LeaveOneOut()"
        )
    if not reparameterizable(problem):
        return (
            "z is discrete, or has no rsample, so the draw cannot be differentiated; "
            "use a score-function method such as LeaveOneOut()"
        )
    return None
