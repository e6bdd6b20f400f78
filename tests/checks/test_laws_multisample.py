"""The checks over controls of several draws, of weak derivatives and of learned baselines, each with one bug."""

from __future__ import annotations

import pytest

from gradmark.benchmarks.checks import CHECKS, Fixture, cases
from gradmark.benchmarks.checks.monte_carlo import mean_is_exact
from gradmark.benchmarks.problems import BernoulliVAE, LinearGaussian
from gradmark.estimators import VIMCO, DReG, VarGrad
from gradmark.estimators.core import Estimator
from tests.checks.test_laws import MODEL, Control
from tests.controls.wrong import multisample

ONE_LATENT = Fixture(LinearGaussian(latents=1, observed=2, rows=3))  # where the exact bound is known
BITS = Fixture(BernoulliVAE(latents=2, rows=3))
CONTROLS = [
    Control(multisample.VarianceOfThePopulation(), (mean_is_exact,), VarGrad(), MODEL),
    Control(multisample.HalfForgotten(), (mean_is_exact,), VarGrad(), MODEL),
    Control(multisample.ModelThroughTheVariance(), (mean_is_exact,), VarGrad(), MODEL),
    Control(multisample.WeightNotSquared(), (mean_is_exact,), DReG(), ONE_LATENT),
    Control(multisample.ModelSquared(), (mean_is_exact,), DReG(), ONE_LATENT),
    Control(multisample.MeanOverPaths(), (mean_is_exact,), DReG(), ONE_LATENT),
    Control(multisample.WeightsForgotten(), (mean_is_exact,), VIMCO(), ONE_LATENT),
    Control(multisample.WeightsForModelAlone(), (mean_is_exact,), VIMCO(), BITS),
    Control(multisample.WrongPrecedence(), (mean_is_exact,), VIMCO(), ONE_LATENT),
]
BASES: list[Estimator] = [multisample.Variance(), multisample.Doubly(), multisample.Objectives()]


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_control_is_rejected_and_its_right_neighbour_is_not(control: Control) -> None:
    control.demand()


@pytest.mark.parametrize("right", BASES, ids=str)
def test_what_controls_are_made_from_is_right(right: Estimator) -> None:
    for case in cases([right], dict.fromkeys(control.fixture for control in CONTROLS)):
        for check in CHECKS:
            check(case).demand()
