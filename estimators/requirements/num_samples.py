"""What a method needs of `num_samples`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gradmark.estimators.problem import Problem
from gradmark.estimators.requirements.base import Requirement


@dataclass(frozen=True)
class MinSamples(Requirement):
    """At least so many draws, with the reason: `MinSamples(2, "one draw has no variance")`."""

    least: int
    reason: str
    instead: str = ""  # of more draws, where there is such a method: "use ScoreFunction() for one draw"

    argument: ClassVar[Literal["problem", "num_samples"]] = "num_samples"
    summary: ClassVar[str] = "{least} or more"

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        if num_samples >= self.least:
            return None
        remedy = f"pass {self.least} or more" + (f", or {self.instead}" if self.instead else "")
        return f"{self.reason}, so num_samples must be at least {self.least}; {remedy}"


@dataclass(frozen=True)
class EvenSamples(Requirement):
    """An even number of draws, since they come in antithetic pairs."""

    argument: ClassVar[Literal["problem", "num_samples"]] = "num_samples"
    summary: ClassVar[str] = "even"

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        if num_samples >= 2 and num_samples % 2 == 0:
            return None
        return "num_samples must be even, as samples come in antithetic pairs; pass 2 or 4"
