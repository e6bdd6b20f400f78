"""An ELBO whose q and posterior are Gaussian: means and variances at q ≠ posterior, and the zeros at q = posterior.

One latent, one observation x: p(x, z) = p(x) N(z; m, v), q = N(mu, s²), d = mu − m. The gradients of `encoder_bias` and
`log_scale` are those for mu and log s; that of `encoder_weight` is x times that for mu.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from scipy import stats

from gradmark.benchmarks.problems import LinearGaussian
from gradmark.estimators import (
    ExactPosterior,
    LeaveOneOut,
    MovingAverageBaseline,
    Reparameterization,
    ReparameterizationAnalyticKL,
    ScoreFunction,
    StickingTheLanding,
    VarGrad,
)
from gradmark.estimators.core import Estimator, Params
from tests.estimators.agreement import assert_mean, assert_variance, frozen_average, measured
from tests.estimators.closed_forms import Answer, Polynomial, in_logs

PROBLEM = LinearGaussian(latents=1, observed=1, rows=1)
X = PROBLEM.observations(PROBLEM.init()).item()
NAMES = list(PROBLEM.init())
LONG_TAILED = 2**18  # replicates, where the score multiplies the cost: fewer would see no factor of 1.3


@dataclass(frozen=True)
class ParameterPoint:
    """Parameters, and everything about the two Gaussians that follows from them."""

    weight: float
    bias: float
    noise: float
    mu: float
    s: float
    slope: float = field(default=0.4)  # of the encoder; mu includes it

    @property
    def params(self) -> Params:
        values = {
            "weight": [[self.weight]],
            "bias": [self.bias],
            "log_noise": [math.log(self.noise)],
            "encoder_weight": [[self.slope]],
            "encoder_bias": [self.mu - self.slope * X],
            "log_scale": [math.log(self.s)],
        }
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}

    @property
    def v(self) -> float:
        return 1 / (1 + self.weight**2 / self.noise**2)

    @property
    def m(self) -> float:
        return self.v * self.weight * (X - self.bias) / self.noise**2

    @property
    def d(self) -> float:
        return self.mu - self.m

    @property
    def log_evidence(self) -> float:
        return float(stats.norm.logpdf(X, self.bias, math.hypot(self.weight, self.noise)))

    @property
    def cost(self) -> Polynomial:
        """log q − log p as a polynomial in e, z = mu + s·e."""
        alpha = self.log_evidence + math.log(self.s / math.sqrt(self.v)) - self.d**2 / (2 * self.v)
        return Polynomial(-alpha, self.d * self.s / self.v, -(0.5 - self.s**2 / (2 * self.v)), self.s)


SETTINGS = [
    ParameterPoint(weight=1.3, bias=0.2, noise=0.8, mu=0.7, s=0.9),
    ParameterPoint(weight=-0.6, bias=-0.5, noise=0.5, mu=-1.0, s=0.3),
    ParameterPoint(weight=2.0, bias=0.0, noise=1.5, mu=0.1, s=1.4),
]
AT_POSTERIOR = [
    ParameterPoint(w, b, n, mu=1 / (1 + w**2 / n**2) * w * (X - b) / n**2, s=(1 + w**2 / n**2) ** -0.5)
    for w, b, n in ((1.3, 0.2, 0.8), (-0.6, -0.5, 0.5))
]
each_setting = pytest.mark.parametrize("at", SETTINGS + AT_POSTERIOR)


def assert_q(
    at: ParameterPoint,
    estimator: Estimator,
    answers: tuple[Answer, Answer],
    draws: int = 1,
    baseline: float = 0.0,
    replicates: int = 2**16,
) -> None:
    """Mean and variance of the gradients of q's three parameters."""
    state = frozen_average(baseline) if isinstance(estimator, MovingAverageBaseline) else None
    moments = measured(PROBLEM, estimator, draws, replicates, at.params, state)
    (mean, variance), by_scale = answers
    found = {"encoder_bias": (mean, variance), "encoder_weight": (X * mean, X**2 * variance), "log_scale": by_scale}
    for name, answer in found.items():
        assert_mean(moments, NAMES.index(name), *answer)
        assert_variance(moments, 1 + NAMES.index(name), answer[1])


@each_setting
def test_score_function(at: ParameterPoint) -> None:
    assert_q(at, ScoreFunction(), at.cost.score_function(), replicates=LONG_TAILED)


@each_setting
def test_moving_average_at_the_mean(at: ParameterPoint) -> None:
    mean = at.cost.alpha + at.cost.gamma
    assert_q(at, MovingAverageBaseline(), at.cost.score_function(mean), 1, mean, LONG_TAILED)


@pytest.mark.each_once
@each_setting
@pytest.mark.parametrize("draws", [2, 5])
@pytest.mark.parametrize("estimator", [LeaveOneOut(), VarGrad()], ids=str)
def test_leave_one_out(at: ParameterPoint, estimator: Estimator, draws: int) -> None:
    assert_q(at, estimator, at.cost.leave_one_out(draws), draws, replicates=LONG_TAILED)


@each_setting
def test_reparameterization(at: ParameterPoint) -> None:
    """s²/v² and (d² + 2s²)/v²: Monte-Carlo entropy is as good as closed-form entropy."""
    mean, mean_scale = at.cost.means
    by_scale = mean_scale, (at.d**2 + 2 * at.s**2) / at.v**2
    assert_q(at, Reparameterization(), in_logs((mean, at.s**2 / at.v**2), by_scale, at.s))


@each_setting
def test_sticking_the_landing(at: ParameterPoint) -> None:
    """(1/s − s/v)², and d²/v² + 2(1/s − s/v)²."""
    mean, mean_scale = at.cost.means
    gap = (1 / at.s - at.s / at.v) ** 2
    by_scale = mean_scale, at.d**2 / at.v**2 + 2 * gap
    assert_q(at, StickingTheLanding(), in_logs((mean, gap), by_scale, at.s))


@each_setting
def test_analytic_kl(at: ParameterPoint) -> None:
    """Only the likelihood is noise: precision W²/noise² around (x − b)/W."""
    mean, mean_scale = at.cost.means
    precision, peak = at.weight**2 / at.noise**2, (X - at.bias) / at.weight
    by_scale = mean_scale, precision**2 * ((at.mu - peak) ** 2 + 2 * at.s**2)
    assert_q(at, ReparameterizationAnalyticKL(), in_logs((mean, precision**2 * at.s**2), by_scale, at.s))


@pytest.mark.parametrize("at", AT_POSTERIOR)
@pytest.mark.parametrize("estimator", [StickingTheLanding(), LeaveOneOut(), VarGrad()], ids=str)
def test_no_noise_at_the_posterior(at: ParameterPoint, estimator: Estimator) -> None:
    moments = measured(PROBLEM, estimator, 3, 256, at.params)
    for name in ("encoder_bias", "encoder_weight", "log_scale"):
        assert moments.traces[:, 1 + NAMES.index(name)].max() < 1e-24
        assert abs(moments.mean[NAMES.index(name)]) < 1e-12


@pytest.mark.parametrize("at", AT_POSTERIOR)
def test_noise_of_others_at_the_posterior(at: ParameterPoint) -> None:
    """The cost is constant there, log p(x), which plain score functions multiply by the score; the path has 1/v."""
    flat = at.cost.score_function()
    assert flat[0][1] == pytest.approx(at.log_evidence**2 / at.v)
    assert flat[1][1] == pytest.approx(2 * at.log_evidence**2)
    assert at.s**2 / at.v**2 == pytest.approx(1 / at.v)


def test_sticking_the_landing_loses_where_q_is_too_narrow() -> None:
    """v = .5, s = .3: 7.471 against .360 for mu."""
    at = ParameterPoint(weight=1.0, bias=0.0, noise=1.0, mu=(X / 2) + 0.6, s=0.3)
    assert at.s**2 / at.v**2 == pytest.approx(0.36)
    assert (1 / at.s - at.s / at.v) ** 2 == pytest.approx(7.471, abs=5e-4)
    bias = NAMES.index("encoder_bias")
    assert_variance(measured(PROBLEM, StickingTheLanding(), 1, 2**16, at.params), 1 + bias, (1 / 0.3 - 0.6) ** 2)
    assert_variance(measured(PROBLEM, Reparameterization(), 1, 2**16, at.params), 1 + bias, 0.36)


@each_setting
@pytest.mark.parametrize("draws", [1, 4])
def test_exact_posterior(at: ParameterPoint, draws: int) -> None:
    """The gradient of −log p(x) in the model's parameters, with z = m + √v·e, r = x − b; nothing for q's."""
    moments = measured(PROBLEM, ExactPosterior(), draws, 2**16, at.params)
    w, noise, r = at.weight, at.noise**2, X - at.bias
    total, left = w**2 + noise, r - w * at.m
    answers = {
        "bias": (-r / total, w**2 * at.v / noise**2),
        "weight": (w / total - w * r**2 / total**2, ((r - 2 * w * at.m) ** 2 * at.v + 2 * w**2 * at.v**2) / noise**2),
        "log_noise": (
            noise / total - noise * r**2 / total**2,
            (4 * left**2 * w**2 * at.v + 2 * w**4 * at.v**2) / noise**2,
        ),
        **dict.fromkeys(("encoder_bias", "encoder_weight", "log_scale"), (0.0, 0.0)),
    }
    for name, (mean, variance) in answers.items():
        assert_mean(moments, NAMES.index(name), mean, variance / draws)
        assert_variance(moments, 1 + NAMES.index(name), variance / draws)


def test_two_latents() -> None:
    """cov(mu): AΣA for the total derivative, (L⁻¹ − AL)² for sticking the landing; A the posterior's precision."""
    problem = LinearGaussian(latents=2, observed=3, rows=1)
    params = problem.init()
    weight, noise = params["weight"].numpy(), math.exp(params["log_noise"].item())
    precision, q = np.eye(2) + weight.T @ weight / noise**2, np.diag(np.exp(params["log_scale"].numpy()))
    path = precision @ q
    landing = np.linalg.inv(q) - path
    column = 1 + list(params).index("encoder_bias")
    for estimator, root in ((Reparameterization(), path), (StickingTheLanding(), landing)):
        for draws in (1, 3):
            moments = measured(problem, estimator, draws, 2**16)
            assert_variance(moments, column, float(np.trace(root @ root.T)) / draws)


@pytest.mark.parametrize("problem", [LinearGaussian(latents=2, observed=3, rows=4)], ids=str)
def test_fisher_identity(problem: LinearGaussian) -> None:
    """∂ log p(x)/∂W = C⁻¹(x − b)(x − b)ᵀC⁻¹W − C⁻¹W, summed over rows; ∂/∂b = C⁻¹(x − b)."""
    params = problem.init()
    weight, noise = params["weight"].numpy(), math.exp(params["log_noise"].item())
    inverse = np.linalg.inv(weight @ weight.T + noise**2 * np.eye(3))
    r = problem.observations(params).numpy() - params["bias"].numpy()
    by_weight = sum(inverse @ np.outer(row, row) @ inverse @ weight - inverse @ weight for row in r)
    moments = measured(problem, ExactPosterior(), 1, 2**16)
    exact = -np.concatenate([np.asarray(by_weight).ravel(), inverse @ r.sum(0)])
    for index, mean in enumerate(exact):
        assert_mean(moments, index, float(mean), float(moments.second[index] / moments.units))
