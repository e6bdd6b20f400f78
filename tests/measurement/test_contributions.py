"""The effective number of replicates that carry a variance, against numbers that are known."""

from __future__ import annotations

import numpy as np
import pytest

from gradmark.benchmarks.measurement.contributions import effective_contributions, fewest_contributions
from gradmark.benchmarks.measurement.moments import Array


def number(values: Array) -> float:
    off = values - values.mean(0)
    return float(effective_contributions((off**2).sum(0, keepdims=True), (off**4).sum(0, keepdims=True))[0])


def test_a_rare_event_counts_the_events() -> None:
    values = np.zeros(100_000)
    values[:37] = 3.0
    assert number(values) == pytest.approx(37, rel=0.01)


def test_a_normal_distribution_counts_a_third() -> None:
    values = np.random.default_rng(0).normal(size=300_000)
    assert number(values) == pytest.approx(100_000, rel=0.02)


def test_one_large_replicate_is_one() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    values[0] = 1e9
    assert number(values) == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("scale", [1e-50, 1.0, 1e60])
def test_the_scale_does_not_matter(scale: float) -> None:
    values = np.random.default_rng(0).normal(size=999)
    assert number(values * scale) == pytest.approx(number(values))


def test_nothing_varies_nothing_contributes() -> None:
    assert number(np.ones(10)) == 0.0


def test_more_is_needed_at_a_smaller_level_and_for_more_coordinates() -> None:
    assert fewest_contributions(0.001) == pytest.approx(2 * 3.2905**2, rel=1e-3)
    assert fewest_contributions(0.001, 100) == pytest.approx(fewest_contributions(1e-5))
    assert fewest_contributions(1e-6) > fewest_contributions(1e-3)
