"""The score of a set of points, and a learned one judged by the exact one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gradmark.benchmarks.experiments import LearnedScore
from gradmark.benchmarks.experiments.diffusion.simulation import scores
from gradmark.benchmarks.experiments.diffusion.simulation.learned_score import learn, relative_error, score_of
from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Mixture
from gradmark.benchmarks.experiments.diffusion.simulation.point_mixture import PointMixture
from gradmark.benchmarks.experiments.diffusion.simulation.targets import FanMixture
from gradmark.benchmarks.measurement.block import seeded


def test_points_are_a_mixture() -> None:
    """The same as the mixture of equal weights whose covariances are all vI."""
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(7, 3))
    law = Mixture(np.full(7, 1 / 7), rows, np.tile(0.4 * np.eye(3), (7, 1, 1)))
    found, x = PointMixture(rows).noised(0.1).noised(0.3), draw.normal(size=(5, 3))
    np.testing.assert_allclose(found.score(x), law.score(x), rtol=1e-9)
    cloud = found.sample(20_000, draw)
    error = np.sqrt(law.covariance.diagonal() / 20_000)
    assert np.all(np.abs(cloud.mean(0) - law.mean) < 4.5 * error)  # 3 axes: 2e-5 in all
    with pytest.raises(ValueError, match="have no density"):
        PointMixture(rows).score(x)
    with pytest.raises(ValueError, match="not taken away"):
        found.noised(-1.0)


def test_relative_error_of_known_scores() -> None:
    law = FanMixture(dimension=2).law()
    x, exact = law.noised(0.3).sample(50, np.random.default_rng(0)), scores.exact(law)
    for score, expected in ((exact, 0.0), (scores.halved(law), 0.25)):
        missed, size = relative_error(score, exact, x, 0.3)
        np.testing.assert_allclose(missed, expected * size, rtol=1e-9)


def test_learning_learns() -> None:
    """600 steps halve at the least the error of the best Gaussian, at a level where it matters; 1 step does not."""
    law, draw = FanMixture(dimension=2).law(), np.random.default_rng(0)
    rows, x = law.sample(2000, draw), law.noised(0.1).sample(1000, draw)
    errors = {}
    for steps in (1, 600):
        with seeded(0, torch.device("cpu")):
            model = learn(rows, (0.01, 9.0), width=64, steps=steps, batch=128)
        missed, size = relative_error(score_of(model), scores.exact(law), x, 0.1)
        errors[steps] = missed.mean() / size.mean()
    missed, size = relative_error(scores.moment_matched(law), scores.exact(law), x, 0.1)
    assert errors[600] < 0.5 * missed.mean() / size.mean() < errors[1]


def test_experiment_repeats_and_refuses() -> None:
    experiment = LearnedScore(steps=3, width=8, levels=(0.1, 1.0))
    tables = experiment.run(0)
    assert tables == experiment.run(0)
    assert len(tables["errors"]) == 4
    assert len(tables["distances"]) == 4
    with pytest.raises(ValueError, match="use one of mixture, digits"):
        LearnedScore(data="faces")
    with pytest.raises(ValueError, match="two levels above 0"):
        LearnedScore(levels=(1.0,))
