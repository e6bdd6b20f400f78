"""Marginals, scores and projections of mixtures, against torch's own mixtures, autograd, quadrature and draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from gradmark.benchmarks.experiments.diffusion.simulation import scores
from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Mixture
from gradmark.benchmarks.experiments.diffusion.simulation.targets import FanMixture, GaussianTarget, LineMixture, Target

TARGETS = [
    *(make(dimension=d) for make in (GaussianTarget, LineMixture, FanMixture) for d in (1, 2, 32)),
]


def random_mixture(seed: int, components: int, dimension: int) -> Mixture:
    draw = np.random.default_rng(seed)
    roots = draw.normal(size=(components, dimension, dimension))
    covariances = roots @ np.swapaxes(roots, -1, -2) + 0.1 * np.eye(dimension)
    return Mixture(draw.dirichlet(np.ones(components)), draw.normal(size=(components, dimension)), covariances)


mixtures = st.builds(random_mixture, st.integers(0, 2**31), st.integers(1, 5), st.integers(1, 6))


def witness(law: Mixture) -> MixtureSameFamily:
    means, covariances = torch.from_numpy(law.means), torch.from_numpy(law.covariances)
    return MixtureSameFamily(Categorical(torch.from_numpy(law.weights)), MultivariateNormal(means, covariances))


@settings(deadline=None, max_examples=40)
@given(mixtures, st.floats(0.0, 20.0))
def test_density_and_score_are_those_of_torch(law: Mixture, variance: float) -> None:
    noised = law.noised(variance)
    x = torch.from_numpy(noised.sample(7, np.random.default_rng(0))).requires_grad_()
    log_prob = witness(noised).log_prob(x)
    (gradient,) = torch.autograd.grad(log_prob.sum(), x)
    np.testing.assert_allclose(noised.log_prob(x.detach().numpy()), log_prob.detach().numpy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(noised.score(x.detach().numpy()), gradient.numpy(), rtol=1e-7, atol=1e-8)


@settings(deadline=None, max_examples=40)
@given(mixtures, st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_noise_adds_up(law: Mixture, first: float, second: float) -> None:
    """One step of variance a + b is two of a and b; and it moves no mean, and adds to every variance."""
    x = law.sample(5, np.random.default_rng(1))
    once, twice = law.noised(first + second), law.noised(first).noised(second)
    np.testing.assert_allclose(once.log_prob(x), twice.log_prob(x), rtol=1e-9)
    np.testing.assert_allclose(once.mean, law.mean)
    np.testing.assert_allclose(once.covariance, law.covariance + (first + second) * np.eye(law.dimension), atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(mixtures, st.integers(0, 2**31))
def test_projection(law: Mixture, seed: int) -> None:
    """Mean and variance of uᵀx; its distribution function rises with its density as slope."""
    direction = np.random.default_rng(seed).normal(size=law.dimension)
    shadow = law.projected(direction)
    assert shadow.mean[0] == pytest.approx(law.mean @ direction)
    assert shadow.covariance[0, 0] == pytest.approx(direction @ law.covariance @ direction)
    at, step = (
        shadow.mean[0] + np.sqrt(shadow.covariance[0, 0]) * np.linspace(-2, 2, 9),
        1e-5 * np.linalg.norm(direction),
    )
    slope = (shadow.distribution(at + step) - shadow.distribution(at - step)) / (2 * step)
    np.testing.assert_allclose(slope, np.exp(shadow.log_prob(at[:, None])), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("x", [-2.5, 0.0, 1.1])
def test_marginal_by_quadrature(x: float) -> None:
    """p_t(x) = ∫ p_0(y) N(x; y, v) dy."""
    law, variance = FanMixture().law(), 0.7
    found, _ = quad(
        lambda y: np.exp(law.log_prob(np.array([[y]]))[0]) * stats.norm.pdf(x, y, np.sqrt(variance)), -12, 12,
        points=[-2, 0, 2], epsabs=1e-12, limit=200,
    )  # fmt: skip
    assert np.exp(law.noised(variance).log_prob(np.array([[x]]))[0]) == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_draws(target: Target) -> None:
    """Projections of 4096 draws by Kolmogorov and Smirnov: 9 laws of 3 directions, each at 1e-4; a wrong law fails."""
    law, draw = target.law(), np.random.default_rng(3)
    x = law.sample(4096, draw)
    for direction in draw.normal(size=(3, law.dimension)):
        shadow = law.projected(direction)
        assert stats.kstest(x @ direction, shadow.distribution).pvalue > 1e-4
        wider = law.noised(float(law.covariance.trace() / law.dimension)).projected(direction)
        assert stats.kstest(x @ direction, wider.distribution).pvalue < 1e-4


def test_line_mixture_is_a_product() -> None:
    """Its score across the diagonal is that of N(0, .3 + v), along it the one-dimensional mixture's."""
    wide, line = LineMixture(dimension=5, stretch=2.0), LineMixture(stretch=2.0).law().noised(1.5)
    x = np.random.default_rng(0).normal(size=(6, 5))
    found, along = wide.law().noised(1.5).score(x), x @ wide.direction
    expected = -(x - np.outer(along, wide.direction)) / 1.8 + np.outer(line.score(along[:, None])[:, 0], wide.direction)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_wrong_scores_are_wrong() -> None:
    law = FanMixture(dimension=2).law()
    x = law.sample(4, np.random.default_rng(0))
    right = scores.exact(law)(x, 0.5)
    np.testing.assert_array_equal(scores.halved(law)(x, 0.5), right / 2)
    matched = scores.moment_matched(law)(x, 0.5)
    total = law.covariance + 0.5 * np.eye(2)
    np.testing.assert_allclose(matched, -(x - law.mean) @ np.linalg.inv(total), rtol=1e-9)
    kept = Mixture(law.weights[:2] / 0.8, law.means[:2], law.covariances[:2])
    np.testing.assert_allclose(scores.component_dropped(law)(x, 0.5), kept.noised(0.5).score(x), rtol=1e-9)
    with pytest.raises(ValueError, match="nothing would be left"):
        scores.component_dropped(GaussianTarget().law())


@pytest.mark.parametrize(
    ("weights", "covariance", "said"),
    [([1.0, 0.0], [[1.0]], r"weights\[1\]=0.0.*empty"), ([0.5, 0.4], [[1.0]], "sum to 0.9"),
     ([0.5, 0.5], [[-1.0]], "eigenvalue is -1")],
)  # fmt: skip
def test_bad_mixtures(weights: list[float], covariance: list[list[float]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Mixture(np.array(weights), np.zeros((2, 1)), np.array([covariance] * 2))


def test_bad_calls() -> None:
    with pytest.raises(ValueError, match="not symmetric"):
        Mixture(np.ones(1), np.zeros((1, 2)), np.array([[[1.0, 0.5], [0.0, 1.0]]]))
    with pytest.raises(ValueError, match="added, not taken away"):
        FanMixture().law().noised(-1.0)
    with pytest.raises(ValueError, match="call projected first"):
        FanMixture(dimension=2).law().distribution(np.zeros(1))
    with pytest.raises(ValueError, match="pass 1 or more"):
        FanMixture(dimension=0)
    with pytest.raises(ValueError, match=r"use 0\.5"):
        GaussianTarget(variance=0.0)
