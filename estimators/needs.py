"""What methods need of a problem beyond its cost: a path, a mean, Gaussians, importance weights, a split by site."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Protocol, runtime_checkable

import torch
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

from estimators.core import LatentVariableModel, Problem


@cache
def reparameterizable(problem: Problem) -> bool:
    """Whether draws of z can be differentiated in the parameters (`rsample`)."""
    return problem.distribution(problem.init()).has_rsample


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


@cache
def has_mean(problem: Problem) -> bool:
    """Whether q knows its mean: not where its coordinates are drawn one given another."""
    try:
        return problem.distribution(problem.init()).mean is not None
    except NotImplementedError:
        return False


@runtime_checkable
class Staged(Protocol):
    """A q whose coordinates are drawn in stages: those of one stage are independent given the stages before."""

    @property
    def stages(self) -> tuple[int, ...]:
        """The stage of each coordinate of z."""
        ...

    def log_prob_by_site(self, z: Tensor) -> Tensor:
        """log q of each coordinate given the stages before its own: z `[*S, *R, *B, d]` to `[*S, *R, *B, d]`."""
        ...


@dataclass(frozen=True)
class OneStage:
    """A q of independent coordinates: one stage, and the density of each by itself."""

    q: Independent

    @property
    def stages(self) -> tuple[int, ...]:
        """Zero for each coordinate."""
        return (0,) * self.q.event_shape[0]

    def log_prob_by_site(self, z: Tensor) -> Tensor:
        """log q of each coordinate: z `[*S, *R, *B, *event]` to `[*S, *R, *B, d]`."""
        return self.q.base_dist.log_prob(z)


def staged(q: Distribution) -> Staged | None:
    """q in stages: as it says itself, or in one where its coordinates are independent; None where neither is known."""
    if isinstance(q, Staged):
        return q
    return OneStage(q) if isinstance(q, Independent) and q.reinterpreted_batch_ndims == 1 else None


@cache
def no_terms(problem: Problem) -> str | None:
    """None where the cost comes in terms and q in stages; else which of them is wanting, with the remedy."""
    params = problem.init()
    q = problem.distribution(params)
    if staged(q) is None:
        return "q is neither independent in its coordinates nor says in which stages they are drawn; use LeaveOneOut()"
    like = next(iter(params.values()))
    with torch.no_grad():
        found = problem.terms(params, like.new_zeros(q.batch_shape + q.event_shape), q)
    return None if found else "its cost does not split into terms of some coordinates of z each; use LeaveOneOut()"


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
