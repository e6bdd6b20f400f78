"""Right but unusual estimators are not rejected: here on the court's toys; on all of it by `benchmarks.laws.alarms`.

Nothing here is left to luck but the Monte Carlo law, at the level .001 over 20 in each of some 60 cells: a false alarm
has probability .003 in all, and the seeds are fixed.
"""

from __future__ import annotations

import pytest

from benchmarks.laws.court import COURT
from benchmarks.laws.referee import judge
from estimators.core import Estimator, LatentVariableModel
from tests.unusual import unusual

TOYS = [trial for trial in COURT if not isinstance(trial.fixture.problem.template, LatentVariableModel)]


def test_there_are_fifteen_at_least() -> None:
    assert len({type(estimator) for estimator in unusual()}) >= 15


@pytest.mark.parametrize("estimator", unusual(), ids=lambda estimator: type(estimator).__name__)
def test_unusual_estimator_is_right(estimator: Estimator) -> None:
    verdict = judge(estimator, TOYS)
    assert [ruling for ruling in verdict.laws if ruling.status == "failed"] == []
    assert verdict.verdict == "right"
