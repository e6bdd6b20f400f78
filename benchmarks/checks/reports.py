"""What laws found, as plain data: a ruling for each law on each fixture, and the verdict that follows from all."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from gradmark.benchmarks.checks.results import Finding
from gradmark.benchmarks.checks.sentences import sentence


@dataclass(frozen=True)
class Ruling:
    """What one law found on one fixture."""

    law: str
    fixture: str
    num_samples: int | None
    status: str  # "passed" | "failed" | "raised" | "declined"
    coordinate: str | None = None
    size: float | None = None
    visible: float | None = None  # the smallest fault that the law could have seen
    detail: str = ""
    relative: float | None = None  # `visible` of a mean, over the norm of the gradient
    exception: str | None = None  # class and place of what the estimator raised

    def json(self) -> dict[str, Any]:
        """As plain data; numbers that JSON does not know are null."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def ruled(law: str, fixture: str, num_samples: int | None, finding: Finding) -> Ruling:
    """What a law found on a fixture, as a ruling."""
    found = (finding.status, finding.coordinate, finding.size, finding.visible, finding.detail)
    return Ruling(law, fixture, num_samples, *found, exception=finding.exception)


@dataclass(frozen=True)
class Verdict:
    """All rulings on one estimator, and what follows from them."""

    estimator: str
    declared: str  # "unbiased" | "biased"
    verdict: str  # "right" | "wrong" | "undecided"
    seconds: float
    laws: tuple[Ruling, ...]

    def json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "laws": [ruling.json() for ruling in self.laws]}

    def demand(self) -> None:
        """Raise AssertionError where the verdict is not `right`, with the sentence that `gradmark check` prints."""
        if self.verdict != "right":
            raise AssertionError(sentence(self.json()))
