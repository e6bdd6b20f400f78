"""Gradients of importance-weighted bounds: means and variances by quadrature over all draws, or by enumeration.

One Gaussian latent and one observation x, z_k = mu + s·e_k; the sums run over a grid of (e_1 … e_K), or over all tuples
of bits, with the estimators written out in numpy from their formulas.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmarks.block import lifted, seeded
from benchmarks.problems import LinearGaussian
from estimators import IWAE, DReG, Reparameterization, StickingTheLanding
from estimators.core import Estimator, Params, Problem
from tests.estimators.agreement import assert_mean, assert_variance, measured
from tests.estimators.test_gaussian_target import NAMES, PLACES, PROBLEM, Place, X

each_place = pytest.mark.parametrize("at", PLACES)
each_number = pytest.mark.parametrize("draws", [2, 3])
POINTS = {2: 401, 3: 61}


class Grid:
    """K draws of e on a product grid, `[K, points^K]`, with probabilities `[points^K]`, and log w and its slopes."""

    def __init__(self, at: Place, draws: int) -> None:
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


def assert_gradient(at: Place, estimator: Estimator, grid: Grid, loc: np.ndarray, log_scale: np.ndarray) -> None:
    """Mean and variance of all six parameters; the model's part is Σ w̄ ∂ log p for all methods."""
    moments = measured(PROBLEM, estimator, len(grid.e), 2**16, at.params)
    gradients = {name: -(grid.normalized * each).sum(0) for name, each in grid.model.items()}
    gradients |= {"encoder_bias": loc, "encoder_weight": X * loc, "log_scale": log_scale}
    for name, gradient in gradients.items():
        mean, variance = grid.moments(gradient)
        assert_mean(moments, NAMES.index(name), mean, variance)
        assert_variance(moments, 1 + NAMES.index(name), variance)


@each_number
@each_place
def test_iwae(at: Place, draws: int) -> None:
    """d log w/d mu is the joint's slope alone, as log q(mu + s·e) does not depend on mu."""
    grid = Grid(at, draws)
    loc = -(grid.normalized * grid.joint_slope).sum(0)
    log_scale = -(grid.normalized * (grid.joint_slope * at.s * grid.e + 1)).sum(0)
    assert_gradient(at, IWAE(), grid, loc, log_scale)


@each_number
@each_place
def test_dreg(at: Place, draws: int) -> None:
    grid = Grid(at, draws)
    square = grid.normalized**2
    assert_gradient(at, DReG(), grid, -(square * grid.path).sum(0), -(square * grid.path * at.s * grid.e).sum(0))


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
    """Of q's location, as 1/√K for many draws: from 64 to 1024 by about 4."""
    at = Place(weight=1.3, bias=0.2, noise=0.8, mu=0.5, s=0.6)
    ratios = []
    for draws in (64, 1024):
        moments = measured(PROBLEM, IWAE(), draws, 2**13, at.params)
        index = NAMES.index("encoder_bias")
        ratios.append(abs(moments.mean[index]) / math.sqrt(moments.second[index] / moments.units))
    assert 2.5 < ratios[0] / ratios[1] < 6
