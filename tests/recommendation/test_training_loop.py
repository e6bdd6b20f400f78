"""The lines that a recommendation ends with run as they are, and train."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.recommendation.training_loop import training_loop
from gradmark.estimators import LeaveOneOut
from tests.recommendation.estimators_of_tests import Copy

STEPS = 40


class Descent:
    """Steps of one size instead of Adam: `torch.optim` loads torch's compiler at its first step, three seconds."""

    def __init__(self, params: Iterable[torch.Tensor], lr: float) -> None:
        self.params, self.lr = list(params), lr

    def zero_grad(self) -> None:
        for value in self.params:
            value.grad = None

    @torch.no_grad()
    def step(self) -> None:
        for value in self.params:
            assert value.grad is not None
            assert value.grad.shape == value.shape
            value -= self.lr * value.grad.sign()


@pytest.fixture(autouse=True)
def descent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.optim, "Adam", Descent)


def run(code: str) -> dict[str, Any]:
    """The names that the lines leave, after fewer steps than they say."""
    assert "range(1000)" in code
    names: dict[str, Any] = {"__name__": "a user's program"}
    with seeded(0, torch.device("cpu")):
        exec(code.replace("range(1000)", f"range({STEPS})"), names)
    return names


def lines(problem: str, estimator: str, num_samples: int, device: str = "cpu", dtype: str = "float64") -> str:
    """The training loop of a recommendation."""
    return training_loop(specs.problem(problem), specs.estimator(estimator), num_samples, device, dtype)


@pytest.mark.parametrize(
    ("problem", "estimator", "num_samples"),
    [
        ("GaussianToy(k=-1.0)", "Reparameterization()", 1),  # a loss
        ("BernoulliToy(probs=(0.3, 0.6))", "OptimalControlVariate()", 2),  # a gradient that is not that of a loss
        ("BernoulliToy()", "MovingAverageBaseline(decay=0.95)", 1),  # a loss with a state
        ("Minibatch(problem=LinearGaussian(), size=20)", "StickingTheLanding()", 2),  # of rows that each step draws
    ],
)
def test_the_lines_run_and_the_cost_falls(problem: str, estimator: str, num_samples: int) -> None:
    found = run(lines(problem, estimator, num_samples))
    assert (str(found["problem"]), str(found["estimator"])) == (problem, estimator)
    before = found["problem"].exact(found["problem"].init()).sum()
    after = found["problem"].exact({name: value[0].detach() for name, value in found["params"].items()}).sum()
    assert after < before


def test_the_loop_has_five_lines() -> None:
    for estimator in ("LeaveOneOut()", "OptimalControlVariate()"):
        loop = lines("BernoulliToy()", estimator, 2).partition("for step")[2]
        assert len(loop.splitlines()) == 5


def test_device_and_dtype_are_those_of_the_recommendation() -> None:
    assert 'value[None].to("cuda", torch.float32).requires_grad_()' in lines(
        "GaussianToy()", "ScoreFunction()", 1, "cuda", "float32"
    )
    found = run(lines("GaussianToy()", "ScoreFunction()", 1, dtype="float32"))
    assert {value.dtype for value in found["params"].values()} == {torch.float32}


@dataclass(frozen=True)
class OfTheProgram(LeaveOneOut):
    """A class that is imported from the module in which it stands."""


def test_classes_are_imported_from_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = specs.problem("BernoulliToy()")
    code = training_loop(toy, Copy(), 2, "cpu", "float64")
    assert "from tests.recommendation.estimators_of_tests import Copy" in code
    run(code)
    monkeypatch.setattr(OfTheProgram, "__module__", "__main__")
    code = training_loop(toy, OfTheProgram(), 2, "cpu", "float64")
    assert "__main__" not in code
    assert "problem, estimator = BernoulliToy(), OfTheProgram()" in code
    assert textwrap.dedent(code) == code
