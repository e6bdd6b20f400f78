"""The constant baseline: its exact variance is the parabola of the closed forms, whose lowest point is known."""

from __future__ import annotations

import numpy as np
import pytest

from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.exact_moments import exact_moments
from gradmark.benchmarks.problems import BernoulliToy, GaussianToy
from gradmark.estimators import ConstantBaseline, ScoreFunction
from gradmark.estimators.core import Problem
from tests.estimators import closed_forms

BASELINES = (0.0, 1.0, -2.5, 0.29275)


def moments(problem: Problem, baseline: float, draws: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The exact mean and variance of each coordinate."""
    found = exact_moments(EstimatorCase(ConstantBaseline(baseline), Case(problem, "init"), draws))
    return found.mean.numpy(), found.variance.numpy()


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize(("p", "t"), [(0.3, 0.45), (0.85, 0.8), (0.5, 0.499)])
def test_one_bit(p: float, t: float, draws: int, baseline: float) -> None:
    mean, variance = closed_forms.bit_score_function(p, t, baseline)
    found = moments(BernoulliToy((p,), t), baseline, draws)
    np.testing.assert_allclose(found, [[mean], [variance / draws]], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize(("k", "loc", "scale"), [(-3.0, 1.0, 1.0), (0.7, -0.4, 0.5), (1.1, 1.1, 0.8)])
def test_quadratic(k: float, loc: float, scale: float, baseline: float) -> None:
    expected = closed_forms.quadratic(k, loc, scale).score_function(baseline)
    found = moments(GaussianToy(k=k, loc=loc, scale=scale), baseline)
    np.testing.assert_allclose(np.stack(found, 1), expected, rtol=1e-9, atol=1e-9)


def test_the_best_constant_of_one_bit_leaves_no_noise() -> None:
    """(1 − p) cost(1) + p cost(0), where the mean cost p cost(1) + (1 − p) cost(0) leaves some."""
    problem, on, off = BernoulliToy((0.3,), 0.45), 0.55**2, 0.45**2
    assert moments(problem, 0.7 * on + 0.3 * off)[1].item() < 1e-18
    assert moments(problem, 0.3 * on + 0.7 * off)[1].item() > 1e-4


def test_a_far_baseline_is_worse_than_none() -> None:
    plain = exact_moments(EstimatorCase(ScoreFunction(), Case(BernoulliToy((0.3,), 0.45), "init"), 1))
    assert moments(BernoulliToy((0.3,), 0.45), 1.0)[1].item() > 1.9 * plain.total_variance
