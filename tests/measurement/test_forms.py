"""Gradients, states, costs, losses and steps of a wrong form are failed, with what was found and expected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Training
from gradmark.benchmarks.measurement.block import lifted
from gradmark.benchmarks.measurement.forms import WrongForm, check_estimate, check_problem, check_surrogate
from gradmark.benchmarks.problems import GaussianToy
from gradmark.benchmarks.studies import measure
from gradmark.benchmarks.training import convergence
from gradmark.benchmarks.training.solvers import Solver
from gradmark.estimators import ScoreFunction
from gradmark.estimators.core import Estimate, Params, Problem, State

DOUBLE: dict[str, Callable[[Params], Any]] = {
    "[8, 1] of float64": lambda g: {**g, "loc": g["loc"].repeat(2, 1)},
    "[4, 2] of float64": lambda g: {**g, "loc": g["loc"].repeat(1, 2)},
    "[4] of float64": lambda g: {**g, "loc": g["loc"][:, 0]},
    "[1, 1] of float64": lambda g: {**g, "loc": g["loc"][:1]},
    "[4, 1] of float32": lambda g: {**g, "loc": g["loc"].float()},
    "[4, 1] of float64 on meta": lambda g: {**g, "loc": g["loc"].to("meta")},
    "'loc'] is a float": lambda g: {**g, "loc": 1.0},
    "names [loc, log_scale, other]": lambda g: {**g, "other": g["loc"]},
    "names [loc]": lambda g: {"loc": g["loc"]},
    "gradient is a list": lambda g: list(g.values()),
    "gradient is None": lambda g: None,
}


def toy() -> tuple[Params, Params, ScoreFunction]:
    params = lifted(GaussianToy().init(), 4)
    estimator = ScoreFunction()
    return params, estimator.estimate(GaussianToy(), params, (), 1).gradient, estimator


@pytest.mark.parametrize("found", DOUBLE)
def test_gradients_of_a_wrong_form_are_named(found: str) -> None:
    params, gradient, estimator = toy()
    with pytest.raises(WrongForm) as fault:
        check_estimate(estimator, Estimate(DOUBLE[found](gradient), ()), params, ())
    assert found in str(fault.value)
    assert "must be" in str(fault.value)
    assert len(str(fault.value)) < 300


def test_a_gradient_in_another_order_is_put_in_the_parameters() -> None:
    params, gradient, estimator = toy()
    assert list(params) != sorted(params, reverse=True)
    found = check_estimate(estimator, Estimate(dict(reversed(gradient.items())), ()), params, ()).gradient
    assert list(found) == list(params)
    assert all(torch.equal(found[name], gradient[name]) for name in params)


@pytest.mark.parametrize(
    ("after", "part"),
    [
        ({"mean": torch.zeros(4), "count": torch.zeros(4)}, "2 leaves"),
        ({"average": torch.zeros(4)}, "with the same keys"),
        ({"mean": torch.zeros(4, 1)}, "[4, 1] of float32"),
        ({"mean": torch.zeros(4).double()}, "[4] of float64"),
        ({"mean": 0.0}, "is a float"),
        ((), "a tuple of 0 leaves"),
    ],
)
def test_a_state_that_changes_its_form_is_named(after: State, part: str) -> None:
    params, gradient, estimator = toy()
    with pytest.raises(WrongForm) as fault:
        check_estimate(estimator, Estimate(gradient, after), params, {"mean": torch.zeros(4)})
    assert part in str(fault.value)


@dataclass(frozen=True)
class Doubled(ScoreFunction):
    """Two gradients for each replicate, which reshaping would fold into one."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        gradient, state = super().estimate(problem, params, state, num_samples)
        return Estimate({name: value.repeat(2, 1) for name, value in gradient.items()}, state)


@dataclass(frozen=True)
class Shaped(GaussianToy):
    """A cost, or an expected cost, of another shape than q's draws."""

    form: str = "keepdim"

    def cost(self, params: Params, z: Tensor, q: Any) -> Tensor:
        cost = super().cost(params, z, q)
        return {"keepdim": lambda: cost.unsqueeze(-1), "no draws": lambda: cost.mean(0)}.get(self.form, lambda: cost)()

    def exact(self, params: Params) -> Tensor:
        return super().exact(params).unsqueeze(-1) if self.form == "oracle" else super().exact(params)


@dataclass(frozen=True)
class Losses(ScoreFunction):
    """A loss that keeps its draws, or loses its replicates."""

    lost: bool = False

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        loss, state = super().surrogate(problem, params, state, num_samples)
        return loss.mean() if self.lost else loss.expand(num_samples, *loss.shape), state


@dataclass(frozen=True)
class Steps(Solver):
    """A step that gives every seed the same parameters."""

    def refuses(self, problem: Problem) -> str | None:
        return None

    def init(self, problem: Problem, params: Params) -> State:
        return ()

    def step(self, problem: Problem, params: Params, state: State) -> tuple[Params, State]:
        return {name: value[:1] for name, value in params.items()}, state


@pytest.mark.parametrize(
    ("problem", "estimator", "parts"),
    [
        ("GaussianToy()", "Doubled()", ("[4, 1] of float64", "[2, 1] of float64", "test_forms.py:")),
        ("GaussianToy()", "Losses()", ("[2, 2]", "must be [2]", "test_forms.py:")),
        ("GaussianToy()", "Losses(lost=True)", ("the shape []", "must be [2]")),
        ('Shaped(form="keepdim")', "ScoreFunction()", ("[3, 2, 1]", "must be [3, 2]", "test_forms.py:")),
        ('Shaped(form="no draws")', "ScoreFunction()", ("[2]", "must be [3, 2]")),
        ('Shaped(form="oracle")', "ScoreFunction()", ("expected cost has the shape [1]", "must be []")),
    ],
)
def test_a_cell_of_a_wrong_form_is_failed(problem: str, estimator: str, parts: tuple[str, ...]) -> None:
    ours = [
        f"{__name__}.{text}" if text[:6] in ("Double", "Shaped", "Losses") else text for text in (problem, estimator)
    ]
    summary = measure.measure(*ours, num_samples=2)
    assert summary["status"] == "failed"
    assert summary["total_variance"] is None
    for part in parts:
        assert part in summary["reason"]


def test_a_training_step_of_a_wrong_form_is_named() -> None:
    with pytest.raises(WrongForm, match=r"Steps\.step: params\['loc'\] is \[1, 1\]"):
        convergence.train(Training("GaussianToy()", f"{__name__}.Steps()", steps=2))


@pytest.mark.parametrize("problem", ["GaussianToy()", "Minibatch(LinearGaussian(), size=8)", "LinearGaussian()"])
def test_right_forms_pass(problem: str) -> None:
    subject = specs.problem(problem).draw(2)
    params = lifted(subject.init(), 2)
    check_surrogate(ScoreFunction(), subject, params, 2, check_problem(subject, params))
