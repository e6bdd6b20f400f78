"""What a method needs to know of q: its bits, its Gaussian factors, a relaxation, its mean, its stages."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from gradmark.estimators.couplings import LogisticBits, Relaxation, relaxation
from gradmark.estimators.divergences import kind
from gradmark.estimators.problem import Problem
from gradmark.estimators.requirements.base import Requirement
from gradmark.estimators.requirements.paths import SCORE, fitting

T = TypeVar("T")


@dataclass(frozen=True)
class OfDistribution(Requirement, Generic[T]):
    """A requirement of q alone, which proves a `T`."""

    consequence: str = ""  # of not having it: "its mirror image has another density"

    missing: ClassVar[str]  # what to say of a q that does not have it

    @abstractmethod
    def found(self, q: Distribution) -> T | None:
        """What q has of it; None where it has not."""

    def of(self, q: Distribution) -> T:
        """What q has of it; ValueError where it has not."""
        found = self.found(q)
        if found is None:
            raise ValueError(f"{type(self).__name__}.of({kind(q)}): {self.missing}; {SCORE}")
        return found

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        return _unmet(self, problem)


@cache
def _unmet(requirement: OfDistribution[Any], problem: Problem) -> str | None:
    """What q lacks at the initial parameters, found once: they are as many numbers as a network has weights."""
    if requirement.found(problem.distribution(problem.init())) is not None:
        return None
    so = requirement.consequence and f", so {requirement.consequence}"
    return f"{requirement.missing}{so}; {fitting(problem)}"


@dataclass(frozen=True)
class Bits(OfDistribution[Tensor]):
    """Independent bits: their logits, `[*R, *B, d]`."""

    distributions: ClassVar[tuple[str, ...]] = ("Bernoulli",)
    missing: ClassVar[str] = "z is not a vector of independent bits"

    def found(self, q: Distribution) -> Tensor | None:
        relaxed = relaxation(q)
        return relaxed.logits if isinstance(relaxed, LogisticBits) else None


@dataclass(frozen=True)
class BitsOrCategories(OfDistribution[Relaxation]):
    """Independent bits or one-hot categories: how their draws are relaxed."""

    distributions: ClassVar[tuple[str, ...]] = ("Bernoulli", "OneHotCategorical")
    missing: ClassVar[str] = "z is made neither of independent bits nor of one-hot categories"

    def found(self, q: Distribution) -> Relaxation | None:
        return relaxation(q)


@dataclass(frozen=True)
class GaussianFactors(OfDistribution[tuple[Tensor, Tensor]]):
    """Independent Gaussian coordinates: their location and scale, `[*R, *B, d]` each."""

    distributions: ClassVar[tuple[str, ...]] = ("Normal",)
    missing: ClassVar[str] = "z is not a vector of independent Gaussians"

    def found(self, q: Distribution) -> tuple[Tensor, Tensor] | None:
        factor = q.base_dist if isinstance(q, Independent) else None
        return (factor.loc, factor.scale) if isinstance(factor, Normal) and len(q.event_shape) == 1 else None


@dataclass(frozen=True)
class KnownMean(OfDistribution[Tensor]):
    """A q that knows its mean: not one whose coordinates are drawn one given another."""

    missing: ClassVar[str] = "the mean of q is not known, as its coordinates are drawn in stages"

    def found(self, q: Distribution) -> Tensor | None:
        try:
            return q.mean
        except NotImplementedError:
            return None


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


@dataclass(frozen=True)
class Stages(OfDistribution[Staged]):
    """Coordinates that are independent, or drawn in stages that q names."""

    distributions: ClassVar[tuple[str, ...]] = ("Normal", "Bernoulli", "OneHotCategorical", "Gamma")
    missing: ClassVar[str] = "q is neither independent in its coordinates nor says in which stages they are drawn"

    def found(self, q: Distribution) -> Staged | None:
        if isinstance(q, Staged):
            return q
        return OneStage(q) if isinstance(q, Independent) and q.reinterpreted_batch_ndims == 1 else None
