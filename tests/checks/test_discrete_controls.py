"""The laws reject wrong discrete methods, and pass their right neighbours at the same place.

All laws here are of chance, at 1e-6 for a right case (`montecarlo.LEVEL`), with fixed seeds.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import pytest

from gradmark.benchmarks.checks import LAWS, Case, Fixture, cases
from gradmark.benchmarks.checks.monte_carlo import mean_is_exact
from gradmark.benchmarks.problems import BernoulliToy, CategoricalToy
from gradmark.estimators import ARM, RELAX, DisARM
from gradmark.estimators.core import Estimator
from tests import broken_discrete
from tests.estimators import relaxed_bits
from tests.estimators.agreement import assert_agrees, measured

BIT = Fixture(BernoulliToy(probs=(0.3,)), "init")
BITS = Fixture(BernoulliToy(probs=(0.3, 0.85, 0.55, 0.02)), "init")
CATEGORY = Fixture(CategoricalToy())


@dataclass(frozen=True)
class Control:
    """A wrong estimator, a right one, and where the mean of the wrong one is seen to be wrong."""

    wrong: Estimator
    right: Estimator
    fixture: Fixture
    num_samples: int = 2
    state: str = "none"

    def __str__(self) -> str:
        return type(self.wrong).__name__


FIXED = broken_discrete.FixedControl()
CONTROLS = [
    Control(broken_discrete.TwoUniforms(), ARM(), BIT),
    Control(broken_discrete.OneUniformForAllBits(), ARM(), BITS),
    Control(broken_discrete.SignlessLogit(), DisARM(), BIT),
    Control(broken_discrete.HalfForgotten(), DisARM(), BIT),
    Control(broken_discrete.ConditionalHeld(), FIXED, BIT),
    Control(broken_discrete.ConditionalThroughLocationAlone(), FIXED, BIT),
    Control(broken_discrete.NoiseUnconditioned(), FIXED, CATEGORY),
    Control(broken_discrete.ControlAttached(), FIXED, BITS),
    Control(broken_discrete.CorrectionReversed(), FIXED, BIT),
    Control(broken_discrete.CorrectionForgotten(), FIXED, BIT),
    Control(broken_discrete.NoiseReused(), FIXED, BIT),
    Control(broken_discrete.NormaliserForgotten(), FIXED, CATEGORY),
    Control(broken_discrete.LearnsWhatItUses(), RELAX(rate=0.1), BIT, 1, "cold"),
]


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_control_is_rejected_and_its_right_neighbour_is_not(control: Control) -> None:
    wrong = mean_is_exact(Case(control.wrong, control.fixture, control.num_samples, control.state))
    assert wrong.status == "failed", wrong
    right = mean_is_exact(Case(control.right, control.fixture, control.num_samples, control.state))
    assert right.status == "passed", right


def test_every_control_is_used() -> None:
    bases = {broken_discrete.Pairs, broken_discrete.FixedControl}
    written = {
        cls
        for _, cls in inspect.getmembers(broken_discrete, inspect.isclass)
        if cls.__module__ == broken_discrete.__name__
    }
    assert written - bases == {type(control.wrong) for control in CONTROLS}


@pytest.mark.parametrize("right", [broken_discrete.Pairs(), FIXED], ids=str)
def test_what_controls_are_made_from_is_right(right: Estimator) -> None:
    for case in cases([right], [BIT, CATEGORY]):
        for law in LAWS:
            law(case).demand()


def test_the_noise_held_has_the_known_mean() -> None:
    """The lost path makes .0150 of .021: a published implementation had it."""
    mean, variance = relaxed_bits.rebar(0.3, 0.45, 1.0, 0.5, held=True)
    assert mean == pytest.approx(0.0150, abs=5e-5)
    wrong = broken_discrete.ConditionalThroughLocationAlone()
    assert_agrees(measured(BIT.problem, wrong, 1, 2**15), (mean, variance))
