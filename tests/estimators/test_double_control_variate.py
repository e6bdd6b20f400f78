"""Double control variates: the exact mean and variance by a loop over all outcomes of the draws, and how α is found."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from gradmark.benchmarks.measurement.block import Setting, lifted, seeded
from gradmark.benchmarks.problems import BernoulliToy, CategoricalToy, GaussianToy, SigmoidBeliefNetwork
from gradmark.benchmarks.quadrature.exact_moments import exact_moments
from gradmark.estimators import DoubleControlVariate, LeaveOneOut
from gradmark.estimators.core import Problem, State

DOUBLE = DoubleControlVariate()


def frozen(alpha: float) -> State:
    """The state of averages that have seen enough, and whose ratio is `alpha`."""
    values = {"product": alpha, "square": 1.0, "weight": 1.0}
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}


def moments(problem: Problem, alpha: float, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """The exact mean and variance of each coordinate."""
    found = exact_moments(Setting(problem, DOUBLE, draws, problem.init(), frozen(alpha)))
    return found.mean.numpy(), found.variance.numpy()


def enumerated(
    states: np.ndarray,
    probability: np.ndarray,
    cost: np.ndarray,
    slope: np.ndarray,
    score: np.ndarray,
    jacobian: np.ndarray,
    alpha: float,
    draws: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance by the formula: states and slopes `[S, e]`, scores `[S, P]`, ∂μ/∂params `[e, P]`."""
    mean = probability @ states
    first, second = np.zeros(score.shape[1]), np.zeros(score.shape[1])
    for outcome in itertools.product(range(len(states)), repeat=draws):
        g = np.zeros(score.shape[1])
        for k, own in enumerate(outcome):
            others = [j for i, j in enumerate(outcome) if i != k]
            c = sum(slope[j] for j in others) / (draws - 1)
            b = sum(cost[j] - alpha * slope[j] @ (states[j] - mean) for j in others) / (draws - 1)
            g += (cost[own] - b - alpha * c @ (states[own] - mean)) * score[own] / draws + alpha * c @ jacobian / draws
        weight = math.prod(probability[list(outcome)])
        first, second = first + weight * g, second + weight * g**2
    return first, second - first**2


@pytest.mark.parametrize("alpha", [1.0, 0.6, 0.0, -0.5])
@pytest.mark.parametrize(("probs", "draws"), [((0.3, 0.85), 2), ((0.3, 0.85), 3), ((0.1, 0.6, 0.5), 2)], ids=str)
def test_bits_by_enumeration(probs: tuple[float, ...], draws: int, alpha: float) -> None:
    p, t = np.array(probs), 0.45
    states = np.array(list(itertools.product((0.0, 1.0), repeat=len(probs))))
    probability = np.where(states == 1, p, 1 - p).prod(1)
    cost, slope = ((states - t) ** 2).sum(1), 2 * (states - t)
    expected = enumerated(states, probability, cost, slope, states - p, np.diag(p * (1 - p)), alpha, draws)
    np.testing.assert_allclose(moments(BernoulliToy(probs, t), alpha, draws), expected, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(expected[0], p * (1 - p) * (1 - 2 * t), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("alpha", [1.0, 0.4])
@pytest.mark.parametrize("draws", [2, 3])
def test_categories_by_enumeration(draws: int, alpha: float) -> None:
    problem = CategoricalToy()
    params = problem.init()
    p = params["logits"].softmax(-1).flatten().numpy()
    states = torch.eye(len(p), dtype=torch.float64)
    z = states.unsqueeze(-2).requires_grad_()
    q = problem.distribution(params)
    cost = problem.cost(params, z, q)
    (slope,) = torch.autograd.grad(cost.sum(), [z])
    jacobian = np.diag(p) - np.outer(p, p)
    given = (states.numpy(), p, cost.detach().numpy(), slope.flatten(1).numpy(), states.numpy() - p, jacobian)
    expected = enumerated(*given, alpha, draws)
    np.testing.assert_allclose(moments(problem, alpha, draws), expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("problem", [BernoulliToy((0.3, 0.85)), GaussianToy(k=0.5, loc=0.8, scale=0.6)], ids=str)
def test_without_the_control_variates_it_is_leave_one_out(problem: Problem) -> None:
    expected = exact_moments(Setting(problem, LeaveOneOut(), 2, problem.init()))
    mean, variance = moments(problem, 0.0, 2)
    np.testing.assert_allclose(mean, expected.mean.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(variance, expected.variance.numpy(), rtol=1e-9, atol=1e-12)


def test_a_quadratic_of_one_gaussian_by_hand() -> None:
    """α = 1 and two draws e, e′ of (z − k)², with a = loc − k: the location's estimate is the polynomial below.

    cost − baseline − control = s²(e − e′)², and the slope's part adds 2(a + s e′).
    """
    k, loc, s = 0.5, 0.8, 0.6
    e, weight = np.polynomial.hermite_e.hermegauss(20)
    weight = weight / weight.sum()
    x, y = np.meshgrid(e, e, indexing="ij")
    both = s * (x - y) ** 2 * (x + y) / 2 + 2 * (loc - k) + s * (x + y)
    p = np.outer(weight, weight)
    mean, variance = moments(GaussianToy(k=k, loc=loc, scale=s), 1.0, 2)
    expected = float((p * both).sum())
    assert mean[0] == pytest.approx(expected, rel=1e-9)
    assert expected == pytest.approx(2 * (loc - k), rel=1e-9)
    assert variance[0] == pytest.approx(float((p * both**2).sum()) - expected**2, rel=1e-9)


@pytest.mark.parametrize(("probs", "gain"), [((0.3, 0.85, 0.55), 0.8), ((0.3,) * 4, 0.75)], ids=str)
def test_the_best_coefficient_gains_and_one_loses(probs: tuple[float, ...], gain: float) -> None:
    """The total variance is a parabola in α, whose lowest point is that of the averages' means."""
    problem = BernoulliToy(probs, 0.9)
    plain, half, one = (moments(problem, alpha, 2)[1].sum() for alpha in (0.0, 0.5, 1.0))
    square, product = 2 * (plain + one - 2 * half), (plain - one) / 2 + (plain + one - 2 * half)
    best = product / square
    assert 0.1 < best < 0.4
    lowest = moments(problem, best, 2)[1].sum()
    assert lowest == pytest.approx(plain - product**2 / square, rel=1e-9)
    assert lowest < gain * plain
    assert one > 2 * plain


def test_averages_are_of_these_draws() -> None:
    problem = BernoulliToy((0.3, 0.85), 0.45)
    params = lifted(problem.init(), 4)
    with seeded(3, torch.device("cpu")):
        cold, state = DOUBLE.estimate(problem, params, DOUBLE.init(problem, params), 2)
    with seeded(3, torch.device("cpu")):
        z = problem.distribution(params).sample((2,))
    p = params["logits"].sigmoid()
    cost, slope, away = ((z - 0.45) ** 2).sum(-1), 2 * (z - 0.45), z - p
    plain = ((cost - cost.flip(0)).unsqueeze(-1) * away).mean(0)
    control = (slope.flip(0) * away).sum(-1) - (slope * away).sum(-1).flip(0)
    noise = (control.unsqueeze(-1) * away).mean(0) - slope.mean(0) * p * (1 - p)
    torch.testing.assert_close(cold["logits"], plain)
    torch.testing.assert_close(state["product"], 0.02 * (plain * noise).sum(-1))
    torch.testing.assert_close(state["square"], 0.02 * (noise**2).sum(-1))
    torch.testing.assert_close(state["weight"], torch.full((4,), 0.02, dtype=torch.float64))


def test_refusals() -> None:
    assert "the mean of q is not known" in (DOUBLE.refuses(SigmoidBeliefNetwork(rows=2), 2) or "")
    assert "num_samples must be at least 2" in (DOUBLE.refuses(BernoulliToy(), 1) or "")
    with pytest.raises(ValueError, match=r"DoubleControlVariate\(decay=0.5\): decay must be in \[0.9, 1\).*try 0.98"):
        DoubleControlVariate(decay=0.5)
