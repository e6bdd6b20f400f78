"""What methods need of a problem beyond its cost: a path that can be differentiated, or a Gaussian q."""

from __future__ import annotations

from functools import cache

from torch import Tensor
from torch.distributions import (
    Beta,
    Dirichlet,
    Distribution,
    FisherSnedecor,
    Gamma,
    Independent,
    Normal,
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


def gaussian_factors(q: Distribution) -> tuple[Tensor, Tensor] | None:
    """The location and scale `[*R, *B, d]` of q's independent Gaussian coordinates; None where q is anything else."""
    factor = q.base_dist if isinstance(q, Independent) else None
    return (factor.loc, factor.scale) if isinstance(factor, Normal) and len(q.event_shape) == 1 else None


@cache
def no_gaussian_factors(problem: Problem) -> str | None:
    """None where q is a product of Gaussians; else why not, with the remedy."""
    if gaussian_factors(problem.distribution(problem.init())) is None:
        return "z is no vector of independent Gaussians; use a score-function method such as LeaveOneOut()"
    return None
