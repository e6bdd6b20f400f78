"""Right but unusual estimators are not rejected: here on the toys of the suite.

A plain run tries one toy for each kind of z; `--full` tries all of them. Two are so slow that they are tried on one
toy, and one fits no toy but a Gamma or a Dirichlet posterior.

Nothing here is left to luck but the Monte Carlo law, at the level .001 over 20 in each of some 200 cells: a false alarm
has probability .01 in all, and the seeds are fixed.
"""

from __future__ import annotations

import pytest

from gradmark.benchmarks.checks.runner import judge
from gradmark.benchmarks.checks.suite import COURT, Trial, tried
from gradmark.estimators.core import Estimator, LatentVariableModel
from tests.controls.unusual import unusual
from tests.controls.unusual.loops import ChunkedWide
from tests.controls.unusual.pathwise import RandomisedQuadrature
from tests.covering import kind_of_z

TOYS = [trial for trial in COURT if not isinstance(trial.fixture.problem.template, LatentVariableModel)]
FEW = list({kind_of_z(trial.fixture): trial for trial in reversed(TOYS)}.values())  # the first of each kind


def test_there_are_fifteen_at_least() -> None:
    assert len({type(estimator) for estimator in unusual()}) >= 15


PATIENCE = 3600.0  # seconds, however busy the machine is
SLOW = (ChunkedWide, RandomisedQuadrature)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # by torch itself, in its `vmap`
@pytest.mark.parametrize("estimator", unusual(), ids=lambda estimator: type(estimator).__name__)
@pytest.mark.parametrize("trials", [FEW, pytest.param(TOYS, marks=pytest.mark.full)], ids=["few", "all"])
def test_unusual_estimator_is_right(estimator: Estimator, trials: list[Trial]) -> None:
    toys = TOYS[:1] if isinstance(estimator, SLOW) else trials
    verdict = judge(estimator, toys if any(tried(estimator, trial) for trial in toys) else COURT, budget=PATIENCE)
    verdict.demand()
