"""Draws and their mirror images: means and variances in closed form, zeros and losses included."""

from __future__ import annotations

import math

import pytest

from gradmark.benchmarks.problems import BernoulliToy, GammaPosterior, GaussianToy, LinearGaussian, StepToy
from gradmark.estimators import Antithetic, Reparameterization
from gradmark.estimators.core import Problem
from tests.estimators.agreement import assert_agrees, measured
from tests.estimators.closed_forms import Answer, in_logs, quadratic_pathwise

FEWER = 2**16
QUADRATIC = [(0.0, 1.0, 1.0), (0.7, -0.4, 0.5), (2.0, 0.3, 1.6), (1.1, 1.1, 0.8)]
COSINE = [(1.0, 1.0, 1.0), (2.0, 0.4, 0.7), (0.5, -1.0, 1.4)]

each_count = pytest.mark.parametrize("draws", [2, 6])


def quadratic(k: float, loc: float, scale: float, draws: int) -> tuple[Answer, Answer]:
    """Of K draws: 0, and 16σ²/K for σ, wherever k is: a pair's slopes for σ have the mean 2σε²."""
    return in_logs((2 * (loc - k), 0.0), (2 * scale, 16 * scale**2 / draws), scale)


def cosine(k: float, loc: float, scale: float, draws: int) -> tuple[Answer, Answer]:
    """A pair's slopes have the means −k sin(kμ) cos(kσε), and −k cos(kμ) sin(kσε) ε for σ."""
    damping, twice = math.exp(-(k**2) * scale**2 / 2), math.exp(-2 * k**2 * scale**2)
    mean, mean_scale = -k * math.sin(k * loc) * damping, -(k**2) * scale * math.cos(k * loc) * damping
    square = (k * math.sin(k * loc)) ** 2 * (1 + twice) / 2
    square_scale = (k * math.cos(k * loc)) ** 2 * (1 - (1 - 4 * k**2 * scale**2) * twice) / 2
    pairs = draws / 2
    return in_logs((mean, (square - mean**2) / pairs), (mean_scale, (square_scale - mean_scale**2) / pairs), scale)


@each_count
@pytest.mark.parametrize(("k", "loc", "scale"), QUADRATIC)
def test_quadratic(k: float, loc: float, scale: float, draws: int) -> None:
    moments = measured(GaussianToy(k=k, loc=loc, scale=scale), Antithetic(), draws, FEWER)
    assert_agrees(moments, *quadratic(k, loc, scale, draws))


@each_count
@pytest.mark.parametrize(("k", "loc", "scale"), COSINE)
def test_cosine(k: float, loc: float, scale: float, draws: int) -> None:
    moments = measured(GaussianToy("cos", k, loc, scale), Antithetic(), draws, FEWER)
    assert_agrees(moments, *cosine(k, loc, scale, draws))


def test_a_pair_is_worth_one_draw_where_the_cost_is_even() -> None:
    """At the minimum of a quadratic: twice the variance of two independent draws for σ, which is what is measured."""
    (_, pair), (_, single) = quadratic(0.8, 0.8, 0.6, 2), quadratic_pathwise(0.8, 0.8, 0.6)
    assert pair[1] == pytest.approx(2 * single[1] / 2)
    problem = GaussianToy(k=0.8, loc=0.8, scale=0.6)
    assert_agrees(measured(problem, Antithetic(), 2, FEWER), (0.0, 0.0), pair)
    _, spread = quadratic_pathwise(0.8, 0.8, 0.6)
    assert_agrees(measured(problem, Reparameterization(), 2, FEWER), (0.0, 4 * 0.6**2 / 2), (spread[0], spread[1] / 2))


def test_pairs_and_independent_draws_break_even() -> None:
    """For σ of (z − k)², at (μ − k)² = 2σ²."""
    for factor in (0.9, 1.1):
        loc = factor * math.sqrt(2) * 0.6
        single = quadratic_pathwise(0.0, loc, 0.6)[1][1] / 2
        assert (quadratic(0.0, loc, 0.6, 2)[1][1] < single) == (factor > 1)


@pytest.mark.parametrize("problem", [BernoulliToy(), StepToy(), GammaPosterior()], ids=str)
def test_needs_a_mirror(problem: Problem) -> None:
    refusal = Antithetic().refuses(problem, 2)
    assert refusal is not None
    assert refusal.startswith("Antithetic.estimate(problem=")


@pytest.mark.parametrize("count", [1, 3])
def test_needs_pairs(count: int) -> None:
    assert f"num_samples={count}): num_samples must be even" in (Antithetic().refuses(LinearGaussian(), count) or "")
