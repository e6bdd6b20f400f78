"""The check of the mean with a control: a method of known mean, on the same draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.control_variates import Control, best_control, gradients
from gradmark.benchmarks.checks.mean_by_monte_carlo import one_stage_test
from gradmark.benchmarks.checks.report import CheckReport
from gradmark.benchmarks.checks.results import CheckResult
from gradmark.benchmarks.checks.runner import run_checks
from gradmark.benchmarks.problems import BayesianLogisticRegression, GaussianToy, GaussianVAE
from gradmark.estimators import ScoreFunction, StickingTheLanding
from gradmark.estimators.core import Estimate, Params, Problem, State

PATIENCE = 3600.0  # seconds, however busy the machine is
NO_ORACLE = Case(GaussianVAE(latents=2, hidden=3, rows=3), num_samples=(2,), contract=False)
REGRESSION = EstimatorCase(StickingTheLanding(), Case(BayesianLogisticRegression()), 2)


class Shrunk(StickingTheLanding):
    """A hundredth is missing from every gradient."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        found = super().estimate(problem, params, state, num_samples)
        return Estimate({name: 0.99 * value for name, value in found.gradient.items()}, found.state)


def of_the_mean(report: CheckReport) -> CheckResult:
    return next(result for result in report.checks if result.check == "mean_of_many_is_exact")


@pytest.mark.usefixtures("few_replicates")
def test_without_an_oracle_the_mean_is_compared_with_an_estimator_of_known_mean() -> None:
    right = run_checks(StickingTheLanding(), [NO_ORACLE], budget=PATIENCE)
    assert right.status == "passed"
    assert "less Reparameterization() on the same draws" in of_the_mean(right).detail
    wrong = run_checks(Shrunk(), [NO_ORACLE], budget=PATIENCE)
    found = of_the_mean(wrong)
    assert wrong.status == "failed"
    assert (found.status, found.coordinate is not None) == ("failed", True)
    assert "with p = 0 (" in found.detail  # there is power to spare, a hundredth being missing


def test_a_control_sees_smaller_biases_than_chance_alone() -> None:
    """A hundredth of the gradient, at 2048 replicates: seen with the control (p < 1e-9), and not without (p > 0.01)."""
    exact = REGRESSION.exact()
    assert exact is not None
    truth = torch.cat([value.reshape(-1) for value in exact.values()]).numpy()
    control = best_control(REGRESSION, truth)
    assert control is not None
    right = one_stage_test(REGRESSION, truth, 2**11, 5, control)
    assert right.stderr < one_stage_test(REGRESSION, truth, 2**11, 5).stderr / 50
    assert right.p_value > 1e-4  # one false alarm in 10 000, at a fixed seed
    wrong = replace(REGRESSION, estimator=Shrunk())
    assert one_stage_test(wrong, truth, 2**11, 5, control).p_value < 1e-9
    assert one_stage_test(wrong, truth, 2**11, 5).p_value > 0.01


def test_deviations_of_a_control_have_mean_zero() -> None:
    """Within five standard errors, at 2^14 replicates, and not if the mean is off by a tenth."""
    case = EstimatorCase(ScoreFunction(), Case(GaussianToy(k=0.5, loc=0.8, scale=0.6), "init"), 1)
    exact = case.exact()
    assert exact is not None
    truth = torch.cat([value.reshape(-1) for value in exact.values()]).numpy()
    spread = 5 * gradients(case, 2**14, 3).std(0) / 2**7
    assert (np.abs(Control(case, np.ones(2), truth).deviations(2**14, 4).mean(0)) < spread).all()
    assert not (np.abs(Control(case, np.ones(2), truth + 0.3).deviations(2**14, 4).mean(0)) < spread).all()
