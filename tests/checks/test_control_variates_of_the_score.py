"""The checks over controls of control variates of the score function, each with one bug."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradmark.benchmarks.checks import CHECKS, estimator_cases
from gradmark.benchmarks.checks.independence import replicates_are_independent
from gradmark.benchmarks.checks.mean import mean_is_exact
from gradmark.estimators import DoubleControlVariate, OptimalControlVariate
from gradmark.estimators.core import Estimator
from tests.checks.test_catalogue import BIT, GAUSSIAN, PAIR
from tests.controls.control import Control
from tests.controls.wrong import control_variates

OPTIMAL, DOUBLE = OptimalControlVariate(), DoubleControlVariate()
CONTROLS = [
    Control(control_variates.CoefficientOfTheseDraws(), (mean_is_exact,), OPTIMAL, BIT, "cold", num_samples=1),
    Control(control_variates.CoefficientUpdatedFirst(), (mean_is_exact,), OPTIMAL, BIT, "warm", num_samples=1),
    Control(control_variates.CoefficientOfAllReplicates(), (replicates_are_independent,), OPTIMAL, GAUSSIAN, "warm"),
    Control(control_variates.SlopeOfTheDrawItself(), (mean_is_exact,), DOUBLE, BIT, "warm", num_samples=2),
    Control(control_variates.MeanOfTheControlForgotten(), (mean_is_exact,), DOUBLE, BIT, "warm", num_samples=2),
    Control(control_variates.MeanOfTheControlUnscaled(), (mean_is_exact,), DOUBLE, GAUSSIAN, "warm", num_samples=2),
]
BASES: list[Estimator] = [control_variates.Coefficients(), control_variates.FirstOrder()]


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_control_is_rejected_and_its_right_neighbour_is_not(control: Control) -> None:
    control.demand()


@pytest.mark.parametrize("right", BASES, ids=str)
def test_what_controls_are_made_from_is_right(right: Estimator, at_most: int | None) -> None:
    for case in estimator_cases([right], [BIT, GAUSSIAN, replace(PAIR, num_samples=(2,))])[:at_most]:
        for check in CHECKS:
            check(case).demand()
