"""Right but unusual estimators are not rejected: here on the toys of the suite.

A plain run tries one toy for each kind of z, with one draw and with two; `--full` tries all of them, with more draws
too. Two estimators are so slow that they are tried on one toy, and one fits no toy but a Gamma or Dirichlet posterior.

Only the Monte Carlo check depends on chance, at the level .001 over 20 in each of some 200 cells: a false alarm has
probability .01 in all, and the seeds are fixed.
"""

from __future__ import annotations

from dataclasses import replace

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
FIRST = list({kind_of_z(on): on for on in reversed(TOYS)}.values())  # the first of each kind
FEW = [replace(on, num_samples=(1, 2)) for on in FIRST]  # every unusual estimator takes two draws


def test_there_are_fifteen_at_least() -> None:
    assert len({type(estimator) for estimator in unusual()}) >= 15


PATIENCE = 3600.0  # seconds, however busy the machine is
SLOW = (ChunkedWide, RandomisedQuadrature)
CHUNKS: dict[type[Estimator], Estimator] = {
    ChunkedWide: ChunkedWide(chunk=128)
}  # fewer of them, but where all are asked for


NAMED = pytest.mark.parametrize("estimator", unusual(), ids=lambda estimator: type(estimator).__name__)
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # by torch itself, in its `vmap`


@NAMED
@pytest.mark.usefixtures("few_replicates")
def test_unusual_estimator_is_right(estimator: Estimator) -> None:
    demand(CHUNKS.get(type(estimator), estimator), FEW[:1] if isinstance(estimator, SLOW) else FEW)


@pytest.mark.full
@NAMED
def test_unusual_estimator_is_right_on_every_toy(estimator: Estimator) -> None:
    demand(estimator, TOYS[:1] if isinstance(estimator, SLOW) else TOYS)


def demand(estimator: Estimator, toys: list[Case]) -> None:
    """The estimator passes on the toys, or on the whole suite where it fits none of them."""
    fits = any(cases_of(estimator, on) for on in toys)
    run_checks(estimator, toys if fits else QUICK_SUITE, budget=PATIENCE).demand()
