"""A negative control of laws: a wrong estimator that they reject, and a right one that they do not."""

from __future__ import annotations

from dataclasses import dataclass

from gradmark.benchmarks.checks import Case, Fixture, Law
from gradmark.estimators.core import Estimator


@dataclass(frozen=True)
class Control:
    """A wrong estimator, the laws that reject it, and a right one that they let pass at the same place."""

    wrong: Estimator
    laws: tuple[Law, ...]
    right: Estimator
    fixture: Fixture
    state: str = "none"
    num_samples: int = 3

    def __str__(self) -> str:
        return type(self.wrong).__name__

    def case(self, estimator: Estimator) -> Case:
        state = "none" if estimator.init(self.fixture.problem, self.fixture.params) == () else self.state
        return Case(estimator, self.fixture, self.num_samples, state)

    def demand(self) -> None:
        """Each law rejects the wrong estimator, and passes the right one."""
        for law in self.laws:
            finding = law(self.case(self.wrong))
            assert finding.failed, finding
            assert finding.law == law.__name__
            assert finding.detail
            neighbour = law(self.case(self.right))
            assert neighbour.status == "passed", neighbour
