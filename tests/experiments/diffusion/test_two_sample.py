"""The permutation tests: their statistics, their level, what they pass, what they reject and what they cannot see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gradmark.benchmarks.experiments.diffusion.simulation import scores
from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Points
from gradmark.benchmarks.experiments.diffusion.simulation.reverse import REVERSE_VARIANCES, reverse_sample
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Geometric
from gradmark.benchmarks.experiments.diffusion.simulation.targets import FanMixture, LineMixture, Target
from gradmark.benchmarks.experiments.diffusion.simulation.two_sample import (
    LEVEL,
    STATISTICS,
    Rejections,
    p_values,
    rejections_over_seeds,
    smallest_seen,
)

SIZE, SEEDS, STEPS = 200, range(20), 32


def rejections_of(target: Target, score: str, rule: str = "anderson", steps: int = STEPS) -> dict[str, Rejections]:
    law, levels = target.law(), Geometric().levels(steps)
    begin, toward, variances = law.noised(levels[-1]), scores.SCORES[score](law), REVERSE_VARIANCES[rule](levels)

    def ended(draw: np.random.Generator) -> Points:
        return reverse_sample(begin.sample(SIZE, draw), toward, levels, variances, draw)

    return rejections_over_seeds(lambda draw: law.sample(SIZE, draw), ended, SEEDS)


TARGETS = [FanMixture(), FanMixture(dimension=2), LineMixture(dimension=32)]
STRETCHED = [FanMixture(), FanMixture(dimension=2), LineMixture(dimension=32, stretch=3.0)]
WRONG = ("halved", "moment matched", "component dropped")


@pytest.mark.each_once
@pytest.mark.parametrize("rule", list(REVERSE_VARIANCES))
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_exact_score_passes(target: Target, rule: str) -> None:
    """No statistic rejects in 6 of 20 seeds, which by chance happens once in 3000 (a true null's false alarm)."""
    found = rejections_of(target, "exact", rule)
    assert not any(test.rejected for test in found.values()), found


@pytest.mark.each_once
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("target", STRETCHED, ids=str)
def test_wrong_scores_are_rejected(target: Target, wrong: str) -> None:
    found = rejections_of(target, wrong)
    assert found["energy distance"].rejected, found
    assert found["sliced Wasserstein"].rejected, found


def test_too_few_steps_are_rejected() -> None:
    assert rejections_of(FanMixture(), "exact", steps=2)["energy distance"].rejected


def test_statistics_are_their_definitions() -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(30, 1)), draw.normal(0.5, 2.0, size=(30, 1))
    pooled, signs = np.concatenate([x, y]), np.repeat([[1.0, -1.0]], 30, axis=1)
    found = {name: statistic(pooled, signs)[0] for name, statistic in STATISTICS.items()}
    assert found["energy distance"] == pytest.approx(stats.energy_distance(x[:, 0], y[:, 0]) ** 2)
    assert found["sliced Wasserstein"] == pytest.approx(stats.wasserstein_distance(x[:, 0], y[:, 0]))
    pairs = np.abs(pooled - pooled.T)
    width = np.median(pairs[np.triu_indices(60, 1)])
    kernel = np.exp(-(pairs**2) / (2 * width**2))
    direct = kernel[:30, :30].mean() + kernel[30:, 30:].mean() - 2 * kernel[:30, 30:].mean()
    assert found["MMD"] == pytest.approx(direct)


def test_level_of_one_test() -> None:
    """Rejections of a true null in 300 tests of 20 draws: Binomial(300, .05) is outside these limits once in 1000."""
    law, draw = FanMixture(dimension=2).law(), np.random.default_rng(1)
    found = [p_values(law.sample(20, draw), law.sample(20, draw), draw) for _ in range(300)]
    low, high = stats.binom.ppf([5e-4, 1 - 5e-4], 300, LEVEL)
    for name in STATISTICS:
        assert low <= sum(p[name] <= LEVEL for p in found) <= high


def test_threshold() -> None:
    assert Rejections(0, 20).threshold == 6
    assert stats.binom.sf(5, 20, LEVEL) < 1e-3 < stats.binom.sf(4, 20, LEVEL)
    assert not Rejections(5, 20).rejected
    assert Rejections(6, 20).rejected


def test_smallest_seen() -> None:
    """On N(0, 1) with n draws each a test at .05 has even odds near a shift of 1.96 √(2/n); the rule asks 6 of 20."""
    found = smallest_seen(lambda draw: draw.normal(size=(60, 1)), np.ones(1), SEEDS)
    for shift in found.values():
        assert np.sqrt(2 / 60) < shift < 3 * np.sqrt(2 / 60)


def test_samples_of_different_size() -> None:
    with pytest.raises(ValueError, match="draw as many of each"):
        p_values(np.zeros((3, 1)), np.zeros((4, 1)), np.random.default_rng(0))


def test_tests_repeat() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 50, 2))
    assert p_values(x, y, np.random.default_rng(7)) == p_values(x, y, np.random.default_rng(7))
