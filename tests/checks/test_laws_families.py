"""The laws over controls of weak derivatives, of mirror images and of learned baselines, each with one bug."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from gradmark.benchmarks.checks import LAWS, cases
from gradmark.benchmarks.checks.independence import replicates_are_independent
from gradmark.benchmarks.checks.monte_carlo import mean_is_exact
from gradmark.estimators import NVIL, Antithetic, MeasureValued
from gradmark.estimators.core import Estimator
from tests import broken_measure, broken_state
from tests.checks.test_laws import GAUSSIAN, MODEL, STEPS
from tests.controls.control import Control

WEAK, PAIRS, NETWORK = MeasureValued(), Antithetic(), NVIL()
CONTROLS = [
    Control(broken_measure.RayleighForMaxwell(), (mean_is_exact,), WEAK, GAUSSIAN),
    Control(broken_measure.OneSidedMaxwell(), (mean_is_exact,), WEAK, STEPS),
    Control(broken_measure.NearEndForgotten(), (mean_is_exact,), WEAK, GAUSSIAN),
    Control(broken_measure.WrongConstant(), (mean_is_exact,), WEAK, STEPS),
    Control(broken_measure.AllCoordinatesMoved(), (mean_is_exact,), WEAK, MODEL),
    Control(broken_measure.MirroredInZero(), (mean_is_exact,), PAIRS, GAUSSIAN, num_samples=2),
    Control(broken_measure.MirrorHeld(), (mean_is_exact,), PAIRS, GAUSSIAN, num_samples=2),
    Control(broken_measure.ImageHeld(), (mean_is_exact,), PAIRS, GAUSSIAN, num_samples=2),
    Control(broken_state.TrainedFirst(), (mean_is_exact,), NETWORK, MODEL, "warm"),
    Control(broken_state.DividedByItsSpread(), (mean_is_exact,), NETWORK, MODEL, "warm"),
    Control(broken_state.LeaksIntoTheEncoder(), (mean_is_exact,), NETWORK, MODEL, "warm"),
    Control(broken_state.LearnsFromAllReplicates(), (replicates_are_independent,), NETWORK, MODEL, "warm"),
]
BASES: dict[ModuleType, list[Estimator]] = {
    broken_measure: [broken_measure.Differences(), broken_measure.Mirrored()],
    broken_state: [broken_state.Learned()],
}


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_control_is_rejected_and_its_right_neighbour_is_not(control: Control) -> None:
    control.demand()


@pytest.mark.parametrize("module", BASES, ids=lambda module: module.__name__)
def test_every_control_is_used(module: ModuleType) -> None:
    written = {cls for _, cls in inspect.getmembers(module, inspect.isclass) if cls.__module__ == module.__name__}
    used = {type(control.wrong) for control in CONTROLS if type(control.wrong).__module__ == module.__name__}
    assert written - {type(base) for base in BASES[module]} == used


@pytest.mark.parametrize("right", [base for bases in BASES.values() for base in bases], ids=str)
def test_what_controls_are_made_from_is_right(right: Estimator) -> None:
    found = cases([right], dict.fromkeys(control.fixture for control in CONTROLS))
    assert found
    for case in found:
        for law in LAWS:
            law(case).demand()
