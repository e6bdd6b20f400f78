"""The toy's oracle against enumeration in plain Python, and the estimators that it does not refuse."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from gradmark.benchmarks.problems import BernoulliToy, CategoricalToy
from gradmark.estimators import LeaveOneOut, ScoreFunction, StraightThrough
from gradmark.estimators.core import Estimator, gradient_of_sum
from tests.estimators import closed_forms
from tests.estimators.agreement import assert_mean, assert_variance, measured

PROBS = (0.2, 0.5, 0.3)


def table(probs: tuple[float, ...], target: float, latents: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All states' costs, scores with respect to each logit `[latents * C, states]`, and probabilities."""
    costs, scores, weights = [], [], []
    for state in itertools.product(range(len(probs)), repeat=latents):
        weights.append(math.prod(probs[c] for c in state))
        costs.append((sum(c / (len(probs) - 1) for c in state) - target) ** 2)
        scores.append([float(c == chosen) - p for chosen in state for c, p in enumerate(probs)])
    return np.array(costs), np.array(scores).T, np.array(weights)


@pytest.mark.parametrize("latents", [1, 2, 3])
@pytest.mark.parametrize("target", [0.45, 1.3])
def test_oracle_is_the_enumeration(latents: int, target: float) -> None:
    problem = CategoricalToy(PROBS, target, latents)
    f, scores, weight = table(PROBS, target, latents)
    params = {"logits": problem.init()["logits"].requires_grad_()}
    exact = problem.exact(params)
    assert exact is not None
    assert exact.item() == pytest.approx(float(weight @ f), abs=1e-14)
    gradient = gradient_of_sum(exact, params)["logits"].flatten().numpy()
    np.testing.assert_allclose(gradient, scores @ (weight * f), atol=1e-14)


@pytest.mark.parametrize("p", [0.3, 0.85])
def test_two_categories_are_a_bit(p: float) -> None:
    toy, bit = CategoricalToy((1 - p, p)), BernoulliToy((p,))
    leaves = [{"logits": problem.init()["logits"].requires_grad_()} for problem in (toy, bit)]
    exact = [toy.exact(leaves[0]), bit.exact(leaves[1])]
    assert exact[0] is not None
    torch.testing.assert_close(exact[0], exact[1])
    found = gradient_of_sum(exact[0], leaves[0])["logits"].flatten()
    slope = gradient_of_sum(exact[1], leaves[1])["logits"]
    torch.testing.assert_close(found, torch.cat([-slope, slope]))


@pytest.mark.parametrize(("estimator", "draws"), [(ScoreFunction(), 1), (LeaveOneOut(), 3)], ids=str)
@pytest.mark.parametrize("latents", [1, 2])
def test_density_is_enough(estimator: Estimator, draws: int, latents: int) -> None:
    f, scores, weight = table(PROBS, 0.45, latents)
    moments = measured(CategoricalToy(PROBS, 0.45, latents), estimator, draws, 2**16)
    closed_form = {1: closed_forms.score_function, 3: lambda f, s, w: closed_forms.leave_one_out(f, s, w, 3)}[draws]
    answers = [closed_form(f, s, weight) for s in scores]
    for index, answer in enumerate(answers):
        assert_mean(moments, index, *answer)
    assert_variance(moments, 1, sum(variance for _, variance in answers))


def test_straight_through() -> None:
    """Of one latent: p_c (h_c − Σ p h) with h_c = 2(level(z) − target) level_c, over the states z."""
    p, levels = np.array(PROBS), np.linspace(0, 1, 3)
    each = np.array([2 * (level - 0.45) * p * (levels - p @ levels) for level in levels])
    mean, variance = p @ each, p @ each**2 - (p @ each) ** 2
    moments = measured(CategoricalToy(PROBS, 0.45), StraightThrough(), 1, 2**16)
    for index in range(3):
        assert_mean(moments, index, float(mean[index]), float(variance[index]))
    assert_variance(moments, 1, float(variance.sum()))


@pytest.mark.parametrize("probs", [(), (1.0,), (0.5, 0.6), (1.0, 0.0), (1.5, -0.5)])
def test_impossible_probabilities_are_refused(probs: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"CategoricalToy\(probs=.*use \(0.2, 0.5, 0.3\)"):
        CategoricalToy(probs=probs)


def test_sizes() -> None:
    with pytest.raises(ValueError, match=r"CategoricalToy\(latents=0\).*pass 1 or more"):
        CategoricalToy(latents=0)
    large = CategoricalToy(latents=8)
    assert large.exact(large.init()) is None
    assert "6561 states" in (large.no_oracle or "")
