"""A negative control of checks: a wrong estimator that they reject, and a right one that they do not."""

from __future__ import annotations

from dataclasses import dataclass

from gradmark.benchmarks.checks import Case, Check, EstimatorCase
from gradmark.estimators.core import Estimator


@dataclass(frozen=True)
class Control:
    """A wrong estimator, the checks that reject it, and a right one that they let pass on the same case."""

    wrong: Estimator
    checks: tuple[Check, ...]
    right: Estimator
    on: Case
    state: str = "none"
    num_samples: int = 3

    def __str__(self) -> str:
        return type(self.wrong).__name__

    def case(self, estimator: Estimator) -> EstimatorCase:
        state = "none" if estimator.init(self.on.problem, self.on.params) == () else self.state
        return EstimatorCase(estimator, self.on, self.num_samples, state)

    def demand(self) -> None:
        """Each check rejects the wrong estimator, and passes the right one."""
        for check in self.checks:
            result = check(self.case(self.wrong))
            assert result.failed, result
            assert result.check == check.__name__
            assert result.detail
            neighbour = check(self.case(self.right))
            assert neighbour.status == "passed", neighbour
