"""What a pathwise method needs: a cost with a derivative in z, and a draw with a derivative in the parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from torch.distributions import (
    Beta,
    Dirichlet,
    FisherSnedecor,
    Gamma,
    Independent,
    StudentT,
    TransformedDistribution,
)

from gradmark.estimators.problem import Problem
from gradmark.estimators.requirements.base import Requirement

SCORE = "use LeaveOneOut() with two draws or more, or ScoreFunction()"  # the remedy that fits every problem


@cache
def has_rsample(problem: Problem) -> bool:
    """Whether draws of z can be differentiated in the parameters (`rsample`)."""
    return problem.distribution(problem.init()).has_rsample


@cache
def is_implicit(problem: Problem) -> bool:
    """Whether `rsample` draws by rejection, so that torch differentiates the draw through its distribution function."""
    q = problem.distribution(problem.init())
    while isinstance(q, Independent | TransformedDistribution):
        q = q.base_dist
    return isinstance(q, Gamma | Beta | Dirichlet | StudentT | FisherSnedecor)


def fitting(problem: Problem) -> str:
    """The remedy where a method needs more than a problem has: a method that fits it, pathwise where there is one."""
    if not (problem.differentiable and has_rsample(problem)):
        return SCORE
    return f"use {'ImplicitReparameterization' if is_implicit(problem) else 'Reparameterization'}()"


@dataclass(frozen=True)
class DifferentiableCost(Requirement):
    """A cost whose derivative in z says how it changes with z: not one with steps."""

    instead: str = SCORE

    summary: ClassVar[str] = "a differentiable cost"

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        if problem.differentiable:
            return None
        return f"the cost has steps, of which its derivative in z says nothing; {self.instead}"


@dataclass(frozen=True)
class Reparameterizable(Requirement):
    """Draws of z that can be differentiated in the parameters: `rsample`."""

    instead: str = SCORE

    distributions: ClassVar[tuple[str, ...]] = ("Normal", "Gamma", "Dirichlet")

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        if has_rsample(problem):
            return None
        return f"z is discrete, or has no rsample, so the draw cannot be differentiated; {self.instead}"


@dataclass(frozen=True)
class ExplicitDraws(Requirement):
    """Draws that are a smooth function of noise which can be written down."""

    distributions: ClassVar[tuple[str, ...]] = ("Normal", "Bernoulli", "OneHotCategorical")

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        if not is_implicit(problem):
            return None
        return "z is not a smooth function of noise, as it is drawn by rejection; use ImplicitReparameterization()"


@dataclass(frozen=True)
class ImplicitDraws(Requirement):
    """Draws by rejection, whose derivative is known only through the distribution function."""

    distributions: ClassVar[tuple[str, ...]] = ("Gamma", "Dirichlet")

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        if is_implicit(problem):
            return None
        return "z is an explicit function of noise, with the same derivative; use Reparameterization()"


@dataclass(frozen=True)
class NotReparameterizable(Requirement):
    """Draws that cannot be differentiated, as those of bits and categories."""

    reason: str

    distributions: ClassVar[tuple[str, ...]] = ("Bernoulli", "OneHotCategorical")

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        return f"z is continuous, and {self.reason}; {fitting(problem)}" if has_rsample(problem) else None
