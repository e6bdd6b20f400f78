"""Right but unusual estimators are not rejected: here on the toys of the suite.

A plain run tries one toy for each kind of z; `--full` tries all of them. Two are so slow that they are tried on one
toy, and one fits no toy but a Gamma or a Dirichlet posterior.

Only the Monte Carlo check depends on chance, at the level .001 over 20 in each of some 200 cells: a false alarm has
probability .01 in all, and the seeds are fixed.
"""

from __future__ import annotations

import pytest

from gradmark.benchmarks.checks.cases import Case, cases_of
from gradmark.benchmarks.checks.runner import run_checks
from gradmark.benchmarks.checks.suite import QUICK_SUITE
from gradmark.estimators.core import Estimator, LatentVariableModel
from tests.controls.unusual import unusual
from tests.controls.unusual.loops import ChunkedWide
from tests.controls.unusual.pathwise import RandomisedQuadrature
from tests.covering import kind_of_z

TOYS = [on for on in QUICK_SUITE if not isinstance(on.problem.template, LatentVariableModel)]
FEW = list({kind_of_z(on): on for on in reversed(TOYS)}.values())  # the first of each kind


def test_there_are_fifteen_at_least() -> None:
    assert len({type(estimator) for estimator in unusual()}) >= 15


PATIENCE = 3600.0  # seconds, however busy the machine is
SLOW = (ChunkedWide, RandomisedQuadrature)
CHUNKS: dict[type[Estimator], Estimator] = {
    ChunkedWide: ChunkedWide(chunk=128)
}  # fewer of them, but where all are asked for


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # by torch itself, in its `vmap`
@pytest.mark.parametrize("estimator", unusual(), ids=lambda estimator: type(estimator).__name__)
@pytest.mark.parametrize("suite", [FEW, pytest.param(TOYS, marks=pytest.mark.full)], ids=["few", "all"])
def test_unusual_estimator_is_right(estimator: Estimator, suite: list[Case]) -> None:
    toys = TOYS[:1] if isinstance(estimator, SLOW) else suite
    if suite is FEW:
        estimator = CHUNKS.get(type(estimator), estimator)
    report = run_checks(
        estimator, toys if any(cases_of(estimator, on) for on in toys) else QUICK_SUITE, budget=PATIENCE
    )
    report.demand()
