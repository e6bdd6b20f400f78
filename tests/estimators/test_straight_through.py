"""ReinMax and the gapped straight-through estimator against closed forms and enumeration."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from gradmark.benchmarks.checks import Case
from gradmark.benchmarks.checks.quadratic_costs import quadratic_between_states
from gradmark.benchmarks.measurement.block import lifted, seeded
from gradmark.benchmarks.problems import (
    BernoulliToy,
    BernoulliVAE,
    CategoricalToy,
    GaussianMixture,
    GaussianToy,
    StepToy,
)
from gradmark.estimators import GappedStraightThrough, ReinMax
from gradmark.estimators.core import Estimator, Problem
from tests.controls.wrong.straight_through import InJacobians
from tests.estimators.agreement import assert_agrees, assert_mean, assert_variance, measured

FEWER = 2**16
HOST = torch.device("cpu")
ODDS = [(0.3, 0.45), (0.85, 0.8), (0.1, 0.499)]


def of_one_bit(p: float, t: float) -> tuple[float, float]:
    """(1 − p)(1 − t) where the bit is 1 and −p t where it is 0: p(1 − p)(1 − 2t), p(1 − p)[(1 − p)(1 − t) + p t]²."""
    return p * (1 - p) * (1 - 2 * t), p * (1 - p) * ((1 - p) * (1 - t) + p * t) ** 2


def gapped_bit(p: float, t: float, temperature: float, gap: float) -> tuple[float, float]:
    """2(1 − t) w₁ where the bit is 1 and −2t w₀ where it is 0, w = σ′(ℓ/temperature)/temperature at the moved logit."""
    logit = np.log(p / (1 - p))
    soft = [1 / (1 + np.exp(-x / temperature)) for x in (max(logit, gap), min(logit, -gap))]
    on, off = (2 * (b - t) * s * (1 - s) / temperature for b, s in zip((1, 0), soft, strict=True))
    return p * on + (1 - p) * off, p * (1 - p) * (on - off) ** 2


def jacobian(x: np.ndarray) -> np.ndarray:
    """Of a softmax, where it is x: symmetric."""
    return np.diag(x) - np.outer(x, x)


def rein_max(pi: np.ndarray, drawn: int) -> np.ndarray:
    """2 J((π + D)/2) − ½ J(π)."""
    return 2 * jacobian((pi + np.eye(len(pi))[drawn]) / 2) - jacobian(pi) / 2


def gapped(pi: np.ndarray, drawn: int) -> np.ndarray:
    """J of the softmax of (ℓ + m₁ − m₂)/½: the drawn logit raised to h = max ℓ, the others lowered by (ℓ + 1 − h)₊."""
    logits = np.log(pi)
    largest, hard = logits.max(), np.eye(len(pi))[drawn]
    raised = hard * (largest - logits[drawn])
    lowered = (1 - hard) * np.maximum(logits + 1 - largest, 0)
    moved = np.exp((logits + raised - lowered) / 0.5)
    return jacobian(moved / moved.sum()) / 0.5


Slope = Callable[[np.ndarray, int], np.ndarray]  # dz/dlogits of one site, given what is drawn


def of_categories(slope_of: Slope, probs: tuple[float, ...], t: float, latents: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the gradient for the logits, over all states."""
    levels, pi = np.linspace(0, 1, len(probs)), np.array(probs)
    gradients, weights = [], []
    for state in itertools.product(range(len(probs)), repeat=latents):
        slope = 2 * (levels[list(state)].sum() - t) * levels
        gradients.append([slope_of(pi, drawn) @ slope for drawn in state])
        weights.append(pi[list(state)].prod())
    values, weight = np.array(gradients).reshape(len(weights), -1), np.array(weights)
    mean = weight @ values
    return mean, weight @ values**2 - mean**2


@pytest.mark.parametrize(("p", "t"), ODDS)
def test_one_bit(p: float, t: float) -> None:
    mean, variance = of_one_bit(p, t)
    assert_agrees(measured(BernoulliToy((p,), t), ReinMax(), 1, FEWER), (mean, variance))
    assert_agrees(measured(BernoulliToy((p,), t), ReinMax(), 3, FEWER), (mean, variance / 3))


@pytest.mark.parametrize(("temperature", "gap"), [(0.5, 1.0), (1.0, 0.0), (0.8, 2.5)])
@pytest.mark.parametrize(("p", "t"), ODDS)
def test_one_bit_with_a_gap(p: float, t: float, temperature: float, gap: float) -> None:
    estimator, (mean, variance) = GappedStraightThrough(temperature, gap), gapped_bit(p, t, temperature, gap)
    assert_agrees(measured(BernoulliToy((p,), t), estimator, 1, FEWER), (mean, variance))
    assert_agrees(measured(BernoulliToy((p,), t), estimator, 3, FEWER), (mean, variance / 3))


def test_two_categories_with_a_gap_are_a_bit() -> None:
    """The logits' gradients are those of the bit, with both signs."""
    mean, variance = gapped_bit(0.3, 0.45, 0.5, 1.0)
    moments = measured(CategoricalToy((0.7, 0.3), 0.45), GappedStraightThrough(), 1, FEWER)
    assert_mean(moments, 0, -mean, variance)
    assert_mean(moments, 1, mean, variance)
    assert_variance(moments, 1, 2 * variance)


@pytest.mark.parametrize("latents", [1, 2])
@pytest.mark.parametrize(("estimator", "slope_of"), [(ReinMax(), rein_max), (GappedStraightThrough(), gapped)])
def test_categories(estimator: Estimator, slope_of: Slope, latents: int) -> None:
    probs = (0.15, 0.6, 0.25)
    mean, variance = of_categories(slope_of, probs, 0.45, latents)
    moments = measured(CategoricalToy(probs, 0.45, latents), estimator, 1, FEWER)
    for index in range(mean.size):
        assert_mean(moments, index, mean[index], variance[index])
    assert_variance(moments, 1, variance.sum())


@pytest.mark.parametrize("problem", [BernoulliToy((0.3, 0.8)), CategoricalToy((0.2, 0.5, 0.3), latents=2)], ids=str)
def test_it_is_the_formula_of_the_paper(problem: Problem) -> None:
    params = lifted(problem.init(), 16)
    found = []
    for estimator in (ReinMax(), InJacobians()):
        with seeded(5, HOST):
            found.append(estimator.estimate(problem, params, (), 3).gradient["logits"])
    torch.testing.assert_close(*found)


def test_its_bias_is_a_twelfth_of_the_third_derivative() -> None:
    """One bit with the cost b³: the trapezoidal rule gives 3/2 where the difference is 1."""
    problem = Cubed((0.3,))
    leaves = {"logits": torch.tensor([0.3], dtype=torch.float64).logit().requires_grad_()}
    moments = measured(problem, ReinMax(), 1, FEWER)
    (truth,) = torch.autograd.grad(problem.exact(leaves).sum(), [leaves["logits"]])
    g = 0.7 * 3 / 2  # where the bit is 1; zero where it is 0
    assert truth.item() == pytest.approx(0.21)
    assert_mean(moments, 0, 0.3 * g, 0.3 * 0.7 * g**2)
    assert 0.3 * g - truth.item() == pytest.approx(0.21 * 6 / 12)


class Cubed(BernoulliToy):
    """Bits with the cost Σ b³."""

    def cost(self, params, z, q):  # type: ignore[no-untyped-def]
        return (z**3).sum(-1)

    def exact(self, params):  # type: ignore[no-untyped-def]
        return params["logits"].sigmoid().sum(-1)


@pytest.mark.parametrize(
    ("problem", "quadratic"),
    [
        (BernoulliToy((0.3, 0.8)), True),
        (CategoricalToy(latents=2), True),
        (GaussianMixture(components=3, observed=1, rows=2), True),
        (Cubed((0.3, 0.8)), False),
        (BernoulliVAE(latents=2, rows=3), False),
        (GaussianToy(), False),
        (StepToy(), False),
    ],
    ids=str,
)
def test_which_costs_are_quadratic_between_states(problem: Problem, quadratic: bool) -> None:
    assert quadratic_between_states(Case(problem, "init")) == quadratic


@pytest.mark.parametrize("estimator", [ReinMax(), GappedStraightThrough()], ids=str)
def test_refusals(estimator: Estimator) -> None:
    assert "neither of independent bits nor of one-hot categories" in (estimator.refuses(GaussianToy(), 1) or "")


def test_fields_that_are_refused() -> None:
    with pytest.raises(ValueError, match=r"temperature=0.*positive"):
        GappedStraightThrough(temperature=0.0)
    with pytest.raises(ValueError, match=r"gap=-1.*0 or more"):
        GappedStraightThrough(gap=-1.0)
