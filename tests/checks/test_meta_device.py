"""Every method on every problem that it does not refuse, on torch's `meta` device: no GPU is needed to see a mix-up."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace

import pytest
import torch

from gradmark.benchmarks.checks import SUITE, Case, EstimatorCase, problem_runs_on_any_device
from gradmark.benchmarks.checks.meta_device import META, Kernels, estimate_runs_on_any_device, on_meta
from gradmark.benchmarks.problems import BernoulliToy
from gradmark.benchmarks.training.solvers import Adam
from gradmark.estimators import LeaveOneOut, ScoreFunction
from gradmark.estimators.core import Estimator, Params, Problem, State, SurrogateEstimator
from tests.controls.wrong import problems as wrong_problems
from tests.covering import kind_of_z, parametrize_cover
from tests.methods import METHODS

CASES = list({type(on.problem): replace(on, at="init") for on in SUITE}.values())  # small problems of every class
BIT = Case(BernoulliToy(), "init")


def fewest(estimator: Estimator, on: Case) -> EstimatorCase | None:
    """The smallest number of samples that the method takes here; None where it refuses all."""
    cases = (EstimatorCase(estimator, on, count) for count in (1, 2, 4))
    return next((case for case in cases if case.refusal is None), None)


FITTING = [(case,) for estimator in METHODS for on in CASES if (case := fewest(estimator, on)) is not None]


@pytest.mark.parametrize("on", CASES, ids=str)
def test_every_problem_runs_on_any_device(on: Case) -> None:
    assert any(case.on == on for (case,) in FITTING)  # some method meets it below
    assert problem_runs_on_any_device(on).status == "passed"


def meetings(case: EstimatorCase) -> Iterator[Hashable]:
    """Every method meets every kind of z, and a model, as its code may depend on these; and every problem a method."""
    kind, is_model, _ = kind_of_z(case.on)
    yield from ((case.estimator, kind), (case.estimator, is_model), case.on)


@parametrize_cover(("case",), FITTING, meetings)
def test_every_method_runs_on_any_device(case: EstimatorCase) -> None:
    assert estimate_runs_on_any_device(case).status == "passed"


def of_tensor(value: torch.Tensor) -> tuple[object, ...]:
    return value.shape, value.stride(), value.dtype, value.device


CALLS: list[Callable[[torch.Tensor], torch.Tensor]] = [
    lambda x: x + 1,
    lambda x: x > 0,
    lambda x: x.sum(0),
    lambda x: x.long() * 1,
    lambda x: x.long() * 1.0,  # 1 == 1.0, and the result has another dtype
    lambda x: torch.cat((x, x), 1),
    lambda x: x.t() @ x,
]


def test_the_form_that_is_kept_of_a_call_is_that_of_its_result() -> None:
    x = torch.empty(2, 3, device=META).t()
    for call in CALLS:
        with Kernels():
            results = [call(x), call(x)]
        assert [of_tensor(result) for result in results] == 2 * [of_tensor(call(x))]


def test_a_view_is_one_in_every_call() -> None:
    x = torch.empty(2, 3, device=META)
    with Kernels():
        views = [x.reshape(6), x.reshape(6)]
    assert {view.untyped_storage()._cdata for view in views} == {x.untyped_storage()._cdata}


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
