"""The checks over controls of several draws, of weak derivatives and of learned baselines, each with one bug."""

from __future__ import annotations

import pytest

from gradmark.benchmarks.checks import CHECKS, estimator_cases
from gradmark.benchmarks.checks.mean import mean_is_exact
from gradmark.estimators import VIMCO, DReG, VarGrad
from gradmark.estimators.core import Estimator
from tests.checks.test_catalogue import PAIR, ROW, Control
from tests.controls.wrong import multisample

CONTROLS = [
    Control(multisample.VarianceOfThePopulation(), (mean_is_exact,), VarGrad(), ROW, num_samples=2),
    Control(multisample.HalfForgotten(), (mean_is_exact,), VarGrad(), ROW, num_samples=2),
    Control(multisample.ModelThroughTheVariance(), (mean_is_exact,), VarGrad(), ROW, num_samples=2),
    Control(multisample.WeightNotSquared(), (mean_is_exact,), DReG(), ROW, num_samples=2),
    Control(multisample.ModelSquared(), (mean_is_exact,), DReG(), ROW, num_samples=2),
    Control(multisample.MeanOverPaths(), (mean_is_exact,), DReG(), ROW, num_samples=2),
    Control(multisample.WeightsForgotten(), (mean_is_exact,), VIMCO(), ROW, num_samples=2),
    Control(multisample.WeightsForModelAlone(), (mean_is_exact,), VIMCO(), ROW, num_samples=2),
    Control(multisample.WrongPrecedence(), (mean_is_exact,), VIMCO(), ROW),
]
BASES: list[Estimator] = [multisample.Variance(), multisample.Doubly(), multisample.Objectives()]


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_control_is_rejected_and_its_right_neighbour_is_not(control: Control) -> None:
    control.demand()


@pytest.mark.parametrize("right", BASES, ids=str)
def test_what_controls_are_made_from_is_right(right: Estimator, at_most: int | None) -> None:
    for case in estimator_cases([right], [ROW, PAIR])[:at_most]:
        for check in CHECKS:
            check(case).demand()
