"""What a requirement is: something that a method needs of a problem or of `num_samples`, with a reason and a remedy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from gradmark.estimators.problem import Problem

DISTRIBUTIONS = ("Normal", "Bernoulli", "OneHotCategorical", "Gamma", "Dirichlet")  # of z, that `gradmark list` names


@dataclass(frozen=True)
class Requirement(ABC):
    """Something that a method needs. A method declares its own in `requires`; the first that is not met refuses.

    A requirement that proves something also has a method `of`, which returns it, typed, and raises ValueError where
    there is nothing: the method then needs no check of its own. `Bits().of(q)` are the logits of q's bits.

    Examples:
        >>> from gradmark.benchmarks.problems import GaussianToy
        >>> from gradmark.estimators.requirements import Bits
        >>> Bits().unmet(GaussianToy(), num_samples=2)
        'z is not a vector of independent bits; use Reparameterization()'
    """

    argument: ClassVar[Literal["problem", "num_samples"]] = "problem"  # of `estimate`, that it is about
    distributions: ClassVar[tuple[str, ...]] = DISTRIBUTIONS  # those that can meet it
    summary: ClassVar[str] = ""  # for `gradmark list`, with fields in braces; empty where `distributions` say it all

    @abstractmethod
    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        """Say what is missing.

        Args:
            problem: The problem as `estimate` will see it.
            num_samples: Draws of one estimate.

        Returns:
            None where the requirement is met; else "the reason; the remedy", and the remedy is one that fits.
        """
