"""The diffusion bound on Gaussian data and its estimators over time: closed forms of mean and variance, and draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradmark.benchmarks.experiments.diffusion.simulation.chain_bound import chain_bound, exact_reverse_variances
from gradmark.benchmarks.experiments.diffusion.simulation.noise_prediction import QUANTITIES, TARGETS, NoisePrediction
from gradmark.benchmarks.experiments.diffusion.simulation.orders import fitted_order
from gradmark.benchmarks.experiments.diffusion.simulation.reverse import ancestral, anderson
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Cosine, Geometric, LinearBeta
from gradmark.benchmarks.experiments.diffusion.simulation.time_samplers import (
    Antithetic,
    Importance,
    RotatedLattice,
    Stratified,
    TimeSampler,
    Uniform,
    learned,
    optimal,
)

SAMPLERS = [Uniform(), Antithetic(), Stratified(), RotatedLattice(), Importance(np.array([0.2, 1.0, 1.8, 1.0]))]


@given(st.floats(0.01, 100.0), st.integers(1, 60), st.sampled_from([Geometric(), LinearBeta(), Cosine()]))
def test_bound_is_tight_for_the_chains_own_reverse(variance: float, steps: int, schedule) -> None:
    """With Var(x_{t−1} | x_t) for ρ_t the gap is 0, for any schedule: 1e-9 of rounding in 60 terms of order 1."""
    levels = schedule.levels(steps)
    assert abs(chain_bound(variance, levels, exact_reverse_variances(variance, levels)).gap) < 1e-9
    assert chain_bound(variance, levels, anderson(levels)).gap > 0


def test_bound_by_draws() -> None:
    """log q(x_1 … x_T | x_0) − log p(x_0 … x_T) over 2^15 chains has the closed mean, within 4 standard errors."""
    variance, draw = 0.5, np.random.default_rng(0)
    levels = Geometric().levels(6)
    rho, steps = anderson(levels), np.diff(levels)
    x = np.sqrt(variance) * draw.standard_normal((2**15, 1))
    moves = draw.standard_normal((2**15, 6)) * np.sqrt(steps)
    path = np.concatenate([x, x + moves.cumsum(1)], axis=1)

    def log_normal(y: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
        return -((y - mean) ** 2) / (2 * spread) - np.log(2 * np.pi * spread) / 2

    forward = log_normal(path[:, 1:], path[:, :-1], steps).sum(1)
    centres = path[:, 1:] * (1 - steps / (variance + levels[1:]))
    model = log_normal(path[:, :-1], centres, rho).sum(1) + log_normal(path[:, -1], np.zeros(1), variance + levels[-1:])
    costs = forward - model
    bound = chain_bound(variance, levels, rho)
    assert abs(costs.mean() - bound.total) < 4 * costs.std() / 2**7.5
    assert abs(costs.mean() - (bound.total - bound.first)) > 4 * costs.std() / 2**7.5  # without the term of t = 1


def test_gap_falls_with_the_steps() -> None:
    """Of order 1 for Anderson's variances."""
    counts = np.array([32, 64, 128, 256])
    gaps = np.array([chain_bound(0.5, lv, anderson(lv)).gap for lv in (Geometric().levels(int(n)) for n in counts)])
    order, stderr = fitted_order(counts, gaps)
    assert abs(order - 1) < max(0.05, 4 * stderr)


def test_ancestral_has_no_bound() -> None:
    levels = Geometric().levels(4)
    with pytest.raises(ValueError, match="no density; raise it"):
        chain_bound(0.5, levels, ancestral(levels))


def test_loss_in_closed_form() -> None:
    """Loss ½ ln[(1 + e^−g0)/(1 + e^−g1)]; its variance under uniform and under the best times, per dimension."""
    model = NoisePrediction(low=-8.0, high=6.0)
    span, softplus = 14.0, lambda g: math.log1p(math.exp(g))
    sigmoid = lambda g: 1 / (1 + math.exp(-g))  # noqa: E731
    first = (softplus(8.0) - softplus(-6.0)) / span
    second = (softplus(8.0) - softplus(-6.0) - sigmoid(8.0) + sigmoid(-6.0)) / span
    f, v = model.mean("loss", "noise"), model.variance("loss", "noise")
    assert f.mean() == pytest.approx(math.log((1 + math.exp(8.0)) / (1 + math.exp(-6.0))) / 2, rel=1e-7)
    assert Uniform().time_variance(f, 1) == pytest.approx(span**2 / 4 * (second - first**2), rel=1e-6)
    assert Uniform().noise_variance(v, 1) == pytest.approx(span**2 / 2 * second, rel=1e-6)
    best = optimal(f**2 + v)
    total = best.time_variance(f, 1) + best.noise_variance(v, 1)
    assert total == pytest.approx(span**2 / 2 * first**2, rel=1e-4)  # bins are not quite the density


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("theta", [1.0, 0.6])
def test_moments_at_a_time(quantity: str, target: str, theta: float) -> None:
    """Mean and variance of 2^16 draws at three times within 5 standard errors each; all 48 hold but once in 36 000."""
    model, draw = NoisePrediction(theta=theta), np.random.default_rng(1)
    for k in (2000, 8000, 15000):
        found = model.draw(quantity, target, np.full(2**16, (k + 0.5) / 2**14), draw)
        mean, variance = model.mean(quantity, target)[k], model.variance(quantity, target)[k]
        if variance == 0:
            assert np.abs(found - mean).max() < 1e-12
            continue
        assert abs(found.mean() - mean) < 5 * np.sqrt(variance) / 2**8
        squares = (found - mean) ** 2
        assert abs(squares.mean() - variance) < 5 * squares.std() / 2**8


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("n", [2, 8])
def test_split_of_the_variance(sampler: TimeSampler, n: int) -> None:
    """Mean, time part and total over 2^15 estimates, within 5 standard errors; the uniform rule's own does not fit."""
    model, draw, replicates = NoisePrediction(theta=0.5), np.random.default_rng(2), 2**15
    f, v = model.mean("gradient", "noise"), model.variance("gradient", "noise")
    t, weight = sampler.draw(replicates, n, draw)
    conditional = (weight * f[np.minimum((t * len(f)).astype(int), len(f) - 1)]).mean(1)
    total = (weight * model.draw("gradient", "noise", t, draw)).mean(1)
    expected = sampler.time_variance(f, n), sampler.time_variance(f, n) + sampler.noise_variance(v, n)
    for found, variance in zip((conditional, total), expected, strict=True):
        assert abs(found.mean() - f.mean()) < 5 * found.std() / np.sqrt(replicates)
        squares = (found - f.mean()) ** 2
        assert abs(squares.mean() - variance) < 5 * squares.std() / np.sqrt(replicates)
        if not isinstance(sampler, Uniform):
            other = Uniform().time_variance(f, n)
            assert abs(((conditional - f.mean()) ** 2).mean() - other) > 0.1 * other


def test_orders_of_the_time_part() -> None:
    """Stratified times fall as n⁻³; a rotated lattice as n⁻², as the function is not periodic."""
    f, counts = NoisePrediction(theta=0.5).mean("gradient", "noise"), np.array([16, 32, 64, 128])
    for sampler, order in ((Uniform(), 1), (Stratified(), 3), (RotatedLattice(), 2)):
        found = np.array([sampler.time_variance(f, int(n)) for n in counts])
        assert fitted_order(counts, found)[0] == pytest.approx(order, abs=0.05)


def test_optimum_is_optimal() -> None:
    """No perturbed density does better, and the gradient's is not the loss's."""
    model, draw = NoisePrediction(theta=0.5), np.random.default_rng(3)
    f, v = model.mean("gradient", "noise"), model.variance("gradient", "noise")
    best, by_loss = optimal(f**2 + v), optimal(model.mean("loss", "noise") ** 2 + model.variance("loss", "noise"))

    def total(sampler: TimeSampler) -> float:
        return sampler.time_variance(f, 1) + sampler.noise_variance(v, 1)

    assert total(best) < total(by_loss)
    assert total(best) < total(Uniform())
    for _ in range(20):
        other = best.density * np.exp(0.1 * draw.standard_normal(len(best.density)))
        assert total(Importance(other / other.mean())) > total(best)


def test_learned_importance_is_unbiased_and_forgotten_weights_are_not() -> None:
    model, draw = NoisePrediction(), np.random.default_rng(4)
    bins = np.repeat((np.arange(64)[:, None] + 0.5) / 64, 10, axis=1)
    sampler = learned(model.draw("loss", "noise", bins, draw))
    t, weight = sampler.draw(2**16, 1, draw)
    found = model.draw("loss", "noise", t, draw)
    truth, weighted = model.mean("loss", "noise").mean(), (weight * found).ravel()
    assert abs(weighted.mean() - truth) < 4 * weighted.std() / 2**8
    assert abs(found.mean() - truth) > 4 * found.std() / 2**8


def test_bad_calls() -> None:
    with pytest.raises(ValueError, match="pass 2 or 4"):
        Antithetic().draw(1, 3, np.random.default_rng(0))
    with pytest.raises(ValueError, match="mix with 1"):
        Importance(np.array([0.0, 2.0]))
    with pytest.raises(ValueError, match="use one of loss, gradient"):
        NoisePrediction().mean("cost", "noise")
