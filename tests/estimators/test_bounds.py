"""Gradients of importance-weighted bounds: means and variances by quadrature over all draws, or by enumeration.

One Gaussian latent and one observation x, z_k = mu + s·e_k; the sums run over a grid of (e_1 … e_K), or over all tuples
of bits, with the estimators written out in numpy from their formulas.
"""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
import torch

from gradmark.benchmarks.measurement.block import lifted, seeded
from gradmark.benchmarks.problems import BernoulliVAE, GaussianToy, LinearGaussian
from gradmark.estimators import IWAE, VIMCO, DReG, Reparameterization, StickingTheLanding
from gradmark.estimators.core import Estimator, Params, Problem
from tests.estimators.agreement import assert_mean, assert_variance, measured
from tests.estimators.test_gaussian_target import NAMES, PROBLEM, SETTINGS, ParameterPoint, X

each_setting = pytest.mark.parametrize("at", SETTINGS)
each_number = pytest.mark.parametrize("draws", [2, 3])
POINTS = {2: 401, 3: 61}


class Grid:
    """K draws of e on a product grid, `[K, points^K]`, with probabilities `[points^K]`, and log w and its slopes."""

    def __init__(self, at: ParameterPoint, draws: int) -> None:
        side = np.linspace(-7.5, 7.5, POINTS[draws])
        self.e = np.stack(np.meshgrid(*[side] * draws)).reshape(draws, -1)
        density = np.exp(-(self.e**2).sum(0) / 2)
        self.probability = density / density.sum()
        self.z = at.mu + at.s * self.e
        self.log_w = -(at.cost.alpha + at.cost.beta * self.e + at.cost.gamma * self.e**2)
        shifted = np.exp(self.log_w - self.log_w.max(0))
        self.normalized = shifted / shifted.sum(0)
        self.bound = np.log(shifted.mean(0)) + self.log_w.max(0)
        self.joint_slope = -(self.z - at.m) / at.v  # of log p(x, z) in z
        self.path = self.joint_slope + self.e / at.s  # of log w in z
        left = X - at.bias - at.weight * self.z
        self.model = {  # of log p(x, z) in the model's parameters
            "weight": left * self.z / at.noise**2,
            "bias": left / at.noise**2,
            "log_noise": left**2 / at.noise**2 - 1,
        }

    def moments(self, gradient: np.ndarray) -> tuple[float, float]:
        mean = float(self.probability @ gradient)
        return mean, float(self.probability @ (gradient - mean) ** 2)


def assert_gradient(
    at: ParameterPoint,
    estimator: Estimator,
    grid: Grid,
    loc: np.ndarray,
    log_scale: np.ndarray,
    replicates: int = 2**16,
) -> None:
    """Mean and variance of all six parameters; the model's part is Σ w̄ ∂ log p for all methods."""
    moments = measured(PROBLEM, estimator, len(grid.e), replicates, at.params)
    gradients = {name: -(grid.normalized * each).sum(0) for name, each in grid.model.items()}
    gradients |= {"encoder_bias": loc, "encoder_weight": X * loc, "log_scale": log_scale}
    for name, gradient in gradients.items():
        mean, variance = grid.moments(gradient)
        assert_mean(moments, NAMES.index(name), mean, variance)
        assert_variance(moments, 1 + NAMES.index(name), variance)


@each_number
@each_setting
def test_iwae(at: ParameterPoint, draws: int) -> None:
    """d log w/d mu is the joint's slope alone, as log q(mu + s·e) does not depend on mu."""
    grid = Grid(at, draws)
    loc = -(grid.normalized * grid.joint_slope).sum(0)
    log_scale = -(grid.normalized * (grid.joint_slope * at.s * grid.e + 1)).sum(0)
    assert_gradient(at, IWAE(), grid, loc, log_scale)


@each_number
@each_setting
def test_dreg(at: ParameterPoint, draws: int) -> None:
    grid = Grid(at, draws)
    square = grid.normalized**2
    assert_gradient(at, DReG(), grid, -(square * grid.path).sum(0), -(square * grid.path * at.s * grid.e).sum(0))


def others(log_w: np.ndarray) -> np.ndarray:
    """L_{−k} `[K, …]`: the bound with w_k replaced by the geometric mean of the others, in plain exponentials."""
    count = len(log_w)
    found = []
    for k in range(count):
        rest = np.delete(log_w, k, axis=0)
        found.append(np.log((np.exp(rest).sum(0) + np.exp(rest.mean(0))) / count))
    return np.array(found)


@each_number
@each_setting
def test_vimco(at: ParameterPoint, draws: int) -> None:
    grid = Grid(at, draws)
    signal = grid.bound - others(grid.log_w) - grid.normalized
    loc, log_scale = -(signal * grid.e / at.s).sum(0), -(signal * (grid.e**2 - 1)).sum(0)
    assert_gradient(at, VIMCO(), grid, loc, log_scale, 2**18)  # scores have longer tails than paths


@each_number
def test_vimco_of_bits(draws: int) -> None:
    """All tuples of the states of two bits: the gradient of q's logits at one row, x the factor of its weights."""
    problem = BernoulliVAE(latents=2, rows=1)
    params = {
        name: value + 0.2 * torch.cos(torch.arange(value.numel())).view_as(value)
        for name, value in problem.init().items()
    }
    q, column = problem.distribution(params), list(params).index("encoder_logits_bias")
    states = torch.tensor(list(itertools.product((0.0, 1.0), repeat=2)), dtype=torch.float64).unsqueeze(1)
    log_w, prob = -problem.cost(params, states, q).numpy().ravel(), q.log_prob(states).exp().numpy().ravel()
    score = (states - q.mean).numpy()[:, 0]
    tuples = np.array(list(itertools.product(range(4), repeat=draws)))
    probability, each = prob[tuples].prod(1), log_w[tuples].T
    total = np.exp(each).sum(0)
    signal = np.log(total / draws) - others(each) - np.exp(each) / total
    gradient = -np.einsum("kt,tkd->td", signal, score[tuples])
    mean = probability @ gradient
    moments = measured(problem, VIMCO(), draws, 2**14, params)
    first = sum(value.numel() for value in list(params.values())[:column])
    variances = probability @ (gradient - mean) ** 2
    for index in range(2):
        assert_mean(moments, first + index, float(mean[index]), float(variances[index]))
    assert_variance(moments, 1 + column, float(variances.sum()))


@pytest.mark.parametrize("noise", [0.001, 0.0001])
def test_vimco_where_one_weight_dominates(noise: float) -> None:
    """Weights further apart than any exponential reaches: nothing overflows."""
    problem = LinearGaussian(latents=1, observed=2, rows=2, noise=noise)
    params = lifted(problem.true_parameters() | {"log_scale": torch.zeros(1, dtype=torch.float64)}, 8)
    with seeded(0, torch.device("cpu")):
        gradient = VIMCO().estimate(problem, params, (), 4).gradient
    assert all(value.isfinite().all() for value in gradient.values())


@pytest.mark.parametrize(
    ("estimator", "problem", "draws", "reason"),
    [
        (VIMCO(), LinearGaussian(), 1, r"VIMCO.estimate\(num_samples=1\).*pass 2 or more"),
        (VIMCO(), GaussianToy(), 2, "use Reparameterization"),
        (IWAE(), GaussianToy(), 2, "use Reparameterization"),
        (IWAE(), BernoulliVAE(), 2, "use VIMCO"),
        (DReG(), GaussianToy(), 2, "use Reparameterization"),
        (DReG(), BernoulliVAE(), 2, "use VIMCO"),
    ],
    ids=str,
)
def test_refusals(estimator: Estimator, problem: Problem, draws: int, reason: str) -> None:
    assert re.search(reason, estimator.refuses(problem, draws) or "")


def one(problem: Problem, estimator: Estimator, draws: int, seed: int = 3) -> Params:
    params = lifted({name: value + 0.1 for name, value in problem.init().items()}, 8)
    with seeded(seed, torch.device("cpu")):
        return estimator.estimate(problem, params, (), draws).gradient


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("bound", "elbo"), [(IWAE(), Reparameterization()), (DReG(), StickingTheLanding())], ids=str)
def test_one_draw_is_the_elbo(bound: Estimator, elbo: Estimator, weighted: bool) -> None:
    problem = LinearGaussian(latents=2, observed=3, rows=4)
    seen = problem.select(torch.tensor([0, 3]).expand(8, -1)) if weighted else problem
    expected, found = one(seen, elbo, 1), one(seen, bound, 1)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-11, atol=1e-11)


def test_signal_to_noise_falls_with_draws() -> None:
    """Of q's location, as 1/√K for many draws: from 16 to 256 by about 4; the ratio's relative error is a seventh."""
    at = ParameterPoint(weight=1.3, bias=0.2, noise=0.8, mu=0.5, s=0.6)
    ratios = []
    for draws in (16, 256):
        moments = measured(PROBLEM, IWAE(), draws, 2**14, at.params)
        index = NAMES.index("encoder_bias")
        ratios.append(abs(moments.mean[index]) / math.sqrt(moments.second[index] / moments.units))
    assert 2 < ratios[0] / ratios[1] < 8
