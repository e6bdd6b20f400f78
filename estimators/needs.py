"""What methods need of a problem beyond its cost: a path that can be differentiated, importance weights."""

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

from estimators.core import LatentVariableModel, Problem, reparameterizable


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


@cache
def no_weighted_path(problem: Problem) -> str | None:
    """None where importance weights can be differentiated along the paths of their draws; else why not."""
    if not isinstance(problem, LatentVariableModel):
        return "the cost is no ELBO, so there are no importance weights; use Reparameterization()"
    if no_path(problem) is not None:
        return "z has no rsample, so the draw cannot be differentiated; use VIMCO() with two draws or more"
    return None
