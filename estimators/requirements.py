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

from gradmark.estimators.core import LatentVariableModel, Problem
from gradmark.estimators.divergences import NoClosedForm, closed_form_kl, kind

SCORE = "use LeaveOneOut() with two draws or more, or ScoreFunction()"  # the remedy that fits every problem


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
        return f"the cost has steps, of which its derivative in z says nothing; {SCORE}"
    if not reparameterizable(problem):
        return f"z is discrete, or has no rsample, so the draw cannot be differentiated; {SCORE}"
    return None


def path_or_score(problem: Problem) -> str:
    """The remedy where a method asks for more of a problem than it has: a method that fits it."""
    if no_path(problem) is not None:
        return SCORE
    return f"use {'ImplicitReparameterization' if implicit(problem) else 'Reparameterization'}()"


def exact_or_score(problem: Problem) -> str:
    """The remedy where a problem has no log p(x): its exact gradient, where that is known."""
    return "use ExactGradient()" if problem.no_oracle is None else SCORE


@cache
def no_closed_form_kl(problem: LatentVariableModel) -> str | None:
    """None where the model's cost has its KL term in closed form; else why not, with the remedy.

    torch registers a KL for two kinds of distributions, and finds out only when called whether it has one for what they
    are made of: so it is called, once, at the initial parameters. A model may bring a closed form of its own.
    """
    if type(problem).cost_analytic_kl is not LatentVariableModel.cost_analytic_kl:
        return None
    params = problem.init()
    q, prior = problem.distribution(params), problem.prior(params)
    try:
        with torch.no_grad():
            closed_form_kl(q, prior)
    except NoClosedForm as fault:
        return f"{str(fault).partition(';')[0]}; {path_or_score(problem)}"
    except Exception as fault:  # a KL that is registered, and cannot be computed for these
        said = " ".join(str(fault).split()).partition(". ")[0][:120] or type(fault).__name__
        return f"the KL of {kind(q)} to {kind(prior)} cannot be computed at init ({said}); {path_or_score(problem)}"
    return None


@cache
def no_weighted_path(problem: Problem) -> str | None:
    """None where importance weights can be differentiated along the paths of their draws; else why not."""
    if not isinstance(problem, LatentVariableModel):
        return f"the cost is no ELBO, so there are no importance weights; {path_or_score(problem)}"
    reason = no_path(problem)
    if reason is not None:
        return f"{reason.partition(';')[0]}; use VIMCO() with two draws or more"
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
        return f"q is neither independent in its coordinates nor says in which stages they are drawn; {SCORE}"
    like = next(iter(params.values()))
    with torch.no_grad():
        found = problem.terms(params, like.new_zeros(q.batch_shape + q.event_shape), q)
    return None if found else f"its cost does not split into terms of some coordinates of z each; {SCORE}"


def gaussian_factors(q: Distribution) -> tuple[Tensor, Tensor] | None:
    """The location and scale `[*R, *B, d]` of q's independent Gaussian coordinates; None where q is anything else."""
    factor = q.base_dist if isinstance(q, Independent) else None
    return (factor.loc, factor.scale) if isinstance(factor, Normal) and len(q.event_shape) == 1 else None


@cache
def no_gaussian_factors(problem: Problem) -> str | None:
    """None where q is a product of Gaussians; else why not, with the remedy."""
    if gaussian_factors(problem.distribution(problem.init())) is None:
        return f"z is no vector of independent Gaussians; {SCORE}"
    return None
