"""The checks over controls of weak derivatives, of mirror images and of learned baselines, each with one bug."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradmark.benchmarks.checks import CHECKS, estimator_cases
from gradmark.benchmarks.checks.independence import replicates_are_independent
from gradmark.benchmarks.checks.mean import mean_is_exact
from gradmark.estimators import NVIL, Antithetic, MeasureValued
from gradmark.estimators.core import Estimator
from tests.checks.test_catalogue import GAUSSIAN, MODEL, ROW, STEPS
from tests.controls.control import Control
from tests.controls.wrong import antithetic, learned_baselines, measure_valued

WEAK, PAIRS, NETWORK = MeasureValued(), Antithetic(), NVIL()
CONTROLS = [
    Control(measure_valued.RayleighForMaxwell(), (mean_is_exact,), WEAK, GAUSSIAN, num_samples=1),
    Control(measure_valued.OneSidedMaxwell(), (mean_is_exact,), WEAK, STEPS, num_samples=1),
    Control(measure_valued.NearEndForgotten(), (mean_is_exact,), WEAK, GAUSSIAN, num_samples=1),
    Control(measure_valued.WrongConstant(), (mean_is_exact,), WEAK, STEPS, num_samples=1),
    Control(measure_valued.AllCoordinatesMoved(), (mean_is_exact,), WEAK, MODEL),
    Control(antithetic.MirroredInZero(), (mean_is_exact,), PAIRS, GAUSSIAN, num_samples=2),
    Control(antithetic.MirrorHeld(), (mean_is_exact,), PAIRS, GAUSSIAN, num_samples=2),
    Control(antithetic.ImageHeld(), (mean_is_exact,), PAIRS, GAUSSIAN, num_samples=2),
    Control(learned_baselines.TrainedFirst(), (mean_is_exact,), NETWORK, ROW, "warm", num_samples=2),
    Control(learned_baselines.DividedByItsSpread(), (mean_is_exact,), NETWORK, ROW, "warm", num_samples=2),
    Control(learned_baselines.LeaksIntoTheEncoder(), (mean_is_exact,), NETWORK, ROW, "warm", num_samples=2),
    Control(learned_baselines.LearnsFromAllReplicates(), (replicates_are_independent,), NETWORK, MODEL, "warm"),
]
BASES: list[Estimator] = [measure_valued.Differences(), antithetic.Mirrored(), learned_baselines.Learned()]


@pytest.mark.usefixtures("few_replicates")
@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_control_is_rejected_and_its_right_neighbour_is_not(control: Control) -> None:
    control.demand()


@pytest.mark.parametrize("right", BASES, ids=str)
def test_what_controls_are_made_from_is_right(right: Estimator, at_most: int | None) -> None:
    on = [replace(case, num_samples=(2,)) for case in dict.fromkeys(control.on for control in CONTROLS)]
    found = estimator_cases([right], on)
    assert found
    for case in found[:at_most]:
        for check in CHECKS:
            check(case).demand()
