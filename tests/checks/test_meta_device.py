"""Every method on every problem that it does not refuse, on torch's `meta` device: no GPU is needed to see a mix-up."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from gradmark.benchmarks.checks import SUITE, Case, EstimatorCase, problem_runs_on_any_device
from gradmark.benchmarks.checks.meta_device import META, estimate_runs_on_any_device, on_meta
from gradmark.benchmarks.problems import BernoulliToy
from gradmark.benchmarks.training.solvers import Adam
from gradmark.estimators import LeaveOneOut, ScoreFunction
from gradmark.estimators.core import Estimator, Params, Problem, State, SurrogateEstimator
from tests.controls.wrong import problems as wrong_problems
from tests.methods import METHODS

CASES = list({type(on.problem): replace(on, at="init") for on in SUITE}.values())  # small problems of every class
BIT = Case(BernoulliToy(), "init")


def fewest(estimator: Estimator, on: Case) -> EstimatorCase | None:
    """The smallest number of samples that the method takes here; None where it refuses all."""
    cases = (EstimatorCase(estimator, on, count) for count in (1, 2, 4))
    return next((case for case in cases if case.refusal is None), None)


@pytest.mark.parametrize("on", CASES, ids=str)
def test_every_method_runs_on_any_device(on: Case) -> None:
    assert problem_runs_on_any_device(on).status == "passed"
    results = [estimate_runs_on_any_device(case) for each in METHODS if (case := fewest(each, on)) is not None]
    assert results
    assert [result for result in results if result.status != "passed"] == []


def test_a_solver_stays_on_the_device() -> None:
    solver = Adam(ScoreFunction(), num_samples=2)
    problem, params = on_meta(BernoulliToy(), BernoulliToy().init())
    moved, _ = solver.step(problem, params, solver.init(problem, params))
    assert {value.device for value in moved.values()} == {META}


@dataclass(frozen=True)
class AsksForANumber(SurrogateEstimator):
    """Slow on a GPU: the host waits for a number."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int):
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        return (problem.cost(params, z, q).max().item() * q.log_prob(z)).mean(0), state


@dataclass(frozen=True)
class NoiseOfTheHost(SurrogateEstimator):
    """Raises on a GPU: noise is made on the CPU."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int):
        q = problem.distribution(params)
        z = (torch.rand(num_samples, *q.mean.shape) < q.mean).to(q.mean.dtype)
        return (problem.cost(params, z, q).detach() * q.log_prob(z)).mean(0), state


class DeclaredNumber(AsksForANumber):
    properties = ("runs_on_any_device",)


class DeclaredNoise(NoiseOfTheHost):
    properties = ("runs_on_any_device",)


@pytest.mark.parametrize("wrong", [DeclaredNumber(), DeclaredNoise()], ids=lambda each: type(each).__name__)
def test_what_a_gpu_would_show_is_seen(wrong: Estimator) -> None:
    """Negative controls; the line is named."""
    result = estimate_runs_on_any_device(EstimatorCase(wrong, BIT, 2))
    assert result.status == "failed"
    assert "test_meta_device.py:" in result.detail


@pytest.mark.parametrize("slow", [AsksForANumber(), NoiseOfTheHost()], ids=lambda each: type(each).__name__)
def test_what_is_right_on_the_cpu_is_not_called_wrong(slow: Estimator) -> None:
    result = estimate_runs_on_any_device(EstimatorCase(slow, BIT, 2))
    assert result.status == "skipped"
    assert "a GPU would stop here, or make the host wait" in result.detail


def test_a_fault_of_the_problem_is_not_one_of_the_estimator() -> None:
    on = Case(wrong_problems.OutcomesOnTheHost(), "init")
    result = estimate_runs_on_any_device(EstimatorCase(LeaveOneOut(), on, 2))
    assert result.status == "skipped"
    assert "the problem itself" in result.detail
