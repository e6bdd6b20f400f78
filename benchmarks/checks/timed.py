"""Runs one check within a limit of time, and tells an estimator that never returns from one that is slow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks.cases import Case, EstimatorCase
from gradmark.benchmarks.checks.exceptions import blamed, located
from gradmark.benchmarks.checks.results import MEAN_CHECKS, CheckResult, failed, labelled, raised, skipped
from gradmark.benchmarks.checks.timeout import Clock, TimedOut
from gradmark.estimators.core import Estimator

Check: TypeAlias = Callable[[EstimatorCase], CheckResult]

STUCK = 100  # an estimate that takes this many times as long as a plain one does not return
NO_ESTIMATES = ("text_is_identity", "properties_are_known")  # checks that pass without calling `estimate`


@dataclass
class TimedChecks:
    """Checks of one estimator until a deadline, each within `limit` seconds.

    `stopped` is True once an estimate did not return: no further check can be run then.
    """

    estimator: Estimator
    deadline: float
    limit: float
    clock: Clock
    stopped: bool = False
    returned: set[Case] = field(default_factory=set)  # where a check has passed, so that a slow one is not stuck

    def result(self, check: Check, case: EstimatorCase) -> CheckResult:
        """The result of a check on a case, with the file and line of the estimator where it failed."""
        left = self.deadline - self.clock.now()
        if left <= 0:
            result = skipped("the budget is spent; a larger --budget checks this too")
        else:
            result = self._limited(check, case, left)
        if result.failed:
            result = replace(result, detail=located(result.detail, self.estimator))
        return labelled(result, check.__name__, case)

    def _limited(self, check: Check, case: EstimatorCase, left: float) -> CheckResult:
        limit = min(self.limit, max(left, 1.0))
        try:
            with self.clock.limited(limit):
                result = check(case)
        except SystemExit as fault:
            return raised(fault, case)
        except TimedOut as fault:
            return self._timed_out(check, case, fault, limit, left)
        finally:
            torch.set_num_threads(1)
        if result.status == "passed" and check.__name__ not in NO_ESTIMATES:
            self.returned.add(case.on)
        return result

    def _timed_out(self, check: Check, case: EstimatorCase, fault: TimedOut, limit: float, left: float) -> CheckResult:
        if left < self.limit:
            return skipped("the budget ended here; a larger --budget checks this too")
        # the check by Monte Carlo makes some estimates before it decides to go on: the estimator returns
        returns = case.on in self.returned or check.__name__ == MEAN_CHECKS[1]
        if returns or not self._stuck(case, limit):
            return skipped(f"took longer than {limit:.3g} seconds; a larger --budget checks this too")
        self.stopped = True
        return failed(f"did not return within {limit:.3g} seconds{blamed(fault.stack)}")

    def _stuck(self, case: EstimatorCase, limit: float) -> bool:
        """Whether a single cold estimate takes longer than the limit, though a plain method takes STUCK times less."""
        alone = replace(case, state="none" if case.state == "none" else "cold")
        plain = replace(case, estimator=specs.catalogue("estimator")["ScoreFunction"](), state="none")
        try:
            start = self.clock.now()
            plain.estimate(plain.params((1,)))
            if STUCK * (self.clock.now() - start) > limit:
                return False
            with self.clock.limited(limit):
                alone.estimate(alone.params((1,)))
        except TimedOut:
            return True
        except Exception:  # another check reports it
            pass
        return False
