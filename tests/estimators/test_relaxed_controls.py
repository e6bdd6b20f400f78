"""REBAR and RELAX against quadrature: mean and variance at given coefficients, and what the coefficients learn."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gradmark.benchmarks.measurement.block import Setting, lifted, seeded, warm_state
from gradmark.benchmarks.problems import BernoulliToy, CategoricalToy, GaussianToy
from gradmark.estimators import REBAR, RELAX
from gradmark.estimators.core import Estimator, Problem
from tests.estimators import closed_forms, relaxed_bits
from tests.estimators.agreement import assert_agrees, assert_mean, assert_variance, measured

FEWER = 2**15
HOST = torch.device("cpu")
SETTINGS = [(0.3, 0.45, 1.0, 0.5), (0.85, 0.8, 0.3, 0.9), (0.1, 0.499, -0.6, 1.5)]
each_setting = pytest.mark.parametrize(("p", "t", "eta", "temperature"), SETTINGS)
both = pytest.mark.parametrize("cls", [REBAR, RELAX])


def frozen(estimator: Estimator, problem: Problem, **coefficients: float | Tensor) -> Any:
    """The state of one replicate, with some coefficients set."""
    state = estimator.init(problem, problem.init())
    given = {n: torch.as_tensor(value, dtype=torch.float64) for n, value in coefficients.items()}
    return state | {"coefficients": state["coefficients"] | given}


def network(seed: int) -> dict[str, Tensor]:
    """A network that is not zero, of four units of one input."""
    noise = torch.Generator().manual_seed(seed)
    shapes = {"hidden_weight": (4, 1), "hidden_bias": (4,), "output_weight": (1, 4), "output_bias": (1,)}
    return {n: 0.5 * torch.randn(*shape, dtype=torch.float64, generator=noise) for n, shape in shapes.items()}


def test_known_variance() -> None:
    """p = .3, t = .45, η = 1, temperature ½: .0216, more than the plain score function's .0156."""
    mean, variance = relaxed_bits.rebar(0.3, 0.45, 1.0, 0.5)
    assert mean == pytest.approx(0.021, abs=1e-9)
    assert variance == pytest.approx(2.16e-2, abs=5e-5)
    assert closed_forms.bit_score_function(0.3, 0.45)[1] == pytest.approx(1.56e-2, abs=5e-5)


@each_setting
def test_rebar_of_one_bit(p: float, t: float, eta: float, temperature: float) -> None:
    problem, estimator = BernoulliToy((p,), t), REBAR()
    state = frozen(estimator, problem, eta=eta, log_temperature=math.log(temperature))
    mean, variance = relaxed_bits.rebar(p, t, eta, temperature)
    assert mean == pytest.approx(p * (1 - p) * (1 - 2 * t), abs=1e-9)
    assert_agrees(measured(problem, estimator, 1, FEWER, state=state), (mean, variance))
    assert_agrees(measured(problem, estimator, 3, FEWER, state=state), (mean, variance / 3))


@each_setting
def test_relax_of_one_bit(p: float, t: float, eta: float, temperature: float) -> None:
    problem, estimator = BernoulliToy((p,), t), RELAX(hidden=4)
    state = frozen(estimator, problem, eta=eta, log_temperature=math.log(temperature), **network(3))
    mean, variance = relaxed_bits.relax(p, t, state["coefficients"])
    assert mean == pytest.approx(p * (1 - p) * (1 - 2 * t), abs=5e-6)  # tanh(log u) is rough at the ends
    assert_agrees(measured(problem, estimator, 1, FEWER, state=state), (mean, variance))


def test_two_categories_are_a_bit() -> None:
    """The difference of two Gumbels is logistic, also given the chosen one: the bit's gradient, with both signs."""
    mean, variance = relaxed_bits.rebar(0.3, 0.45, 1.0, 0.5)
    moments = measured(CategoricalToy((0.7, 0.3), 0.45), REBAR(), 1, FEWER)
    assert_mean(moments, 0, -mean, variance)
    assert_mean(moments, 1, mean, variance)
    assert_variance(moments, 1, 2 * variance)


def test_relax_starts_as_rebar() -> None:
    problem = BernoulliToy((0.3, 0.8))
    params = lifted(problem.init(), 16)
    found = []
    for estimator in (REBAR(), RELAX()):
        with seeded(5, HOST):
            state = estimator.init(problem, params)
            found.append(estimator.estimate(problem, params, state, 2))
    torch.testing.assert_close(found[0].gradient["logits"], found[1].gradient["logits"])
    for name in ("eta", "log_temperature"):
        torch.testing.assert_close(*(each.state["coefficients"][name] for each in found))


@each_setting
def test_what_is_descended_is_the_square(p: float, t: float, eta: float, temperature: float) -> None:
    """The first moment after one step is a tenth of ∇|g|², whose mean is that of E|g|²."""
    problem, estimator, replicates = BernoulliToy((p,), t), REBAR(), 2**15
    state = lifted(frozen(estimator, problem, eta=eta, log_temperature=math.log(temperature)), replicates)
    with seeded(6, HOST):
        after = estimator.estimate(problem, lifted(problem.init(), replicates), state, 1).state
    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (eta, math.log(temperature))]
    expected = torch.autograd.grad(relaxed_bits.expected_square(p, t, *leaves), leaves)
    for name, slope in zip(("eta", "log_temperature"), expected, strict=True):
        found = 10 * after["mean"][name]
        error = found.std() / math.sqrt(replicates)
        assert ((found.mean() - slope) / error).abs() < 5.5  # two-sided 4e-8, for six numbers
        assert error < 0.25 * slope.abs()


def test_every_coefficient_of_relax_descends() -> None:
    """Against differences of |g|² at the same draws, in each coefficient of a network that is not zero."""
    problem, estimator = BernoulliToy((0.3, 0.8)), RELAX(hidden=3)
    params = lifted(problem.init(), 1)
    cold = estimator.init(problem, params)
    coefficients = {
        n: v + 0.3 * torch.cos(torch.arange(v.numel()).view(v.shape)) for n, v in cold["coefficients"].items()
    }

    def after(moved: dict[str, Tensor]) -> Any:
        with seeded(7, HOST):
            return estimator.estimate(problem, params, cold | {"coefficients": moved}, 2)

    found = after(coefficients).state["mean"]
    for name, value in coefficients.items():
        step = 1e-6 * torch.sin(1.0 + torch.arange(value.numel())).view(value.shape)
        sides = [
            after(coefficients | {name: value + sign * step}).gradient["logits"].square().sum() for sign in (1, -1)
        ]
        torch.testing.assert_close(10 * (found[name] * step).sum(), (sides[0] - sides[1]) / 2, rtol=1e-5, atol=1e-14)


@both
def test_learning_lowers_the_variance(cls: type[REBAR] | type[RELAX]) -> None:
    problem, estimator = BernoulliToy((0.3,), 0.45), cls(rate=0.02)
    setting = Setting(problem, estimator, 4, problem.init())
    state = warm_state(setting, seed=8)
    cold, warm = (measured(problem, estimator, 1, 2**13, state=each) for each in (None, state))
    variance = warm.traces[:, 0].mean() / cold.traces[:, 0].mean()
    assert variance < 0.8
    assert state["count"] == 256


@both
def test_refusals(cls: type[REBAR] | type[RELAX]) -> None:
    assert "neither of independent bits nor of one-hot categories" in (cls().refuses(GaussianToy(), 1) or "")
    problem = GaussianToy()
    state = cls().init(problem, problem.init())
    with pytest.raises(ValueError, match="made neither of independent bits nor of one-hot"):
        cls().estimate(problem, problem.init(), state, 1)
    with pytest.raises(ValueError, match=r"temperature=0.*positive"):
        cls(temperature=0.0)
    with pytest.raises(ValueError, match=r"rate=-1.*positive"):
        cls(rate=-1.0)
    with pytest.raises(ValueError, match=r"RELAX\(hidden=0\)"):
        RELAX(hidden=0)
