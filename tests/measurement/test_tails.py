"""Which tails are called heavy, which are not fitted at all, and which intervals are withheld for it."""

from __future__ import annotations

import numpy as np
import pytest

from gradmark.benchmarks.measurement.intervals import largest_share
from gradmark.benchmarks.measurement.tails import TOO_FEW, assess_tail, fit_tail, smoothed, why_no_interval


def test_a_lattice_is_not_fitted_and_not_heavy() -> None:
    """Squares of geometric draws: all moments exist, and the largest are a few numbers that repeat."""
    draws = np.random.default_rng(0).geometric(0.3, 2**14).astype(float)
    deviations = (draws - draws.mean()) ** 2
    assert fit_tail(deviations) is None
    assert assess_tail(deviations).kind == "light"
    assert why_no_interval(deviations) is None


def test_a_bounded_cosine_is_light() -> None:
    """40 runs at two sizes of a pathwise gradient: the largest are dense at two bounds."""
    for seed in range(40):
        draw = np.random.default_rng(seed)
        for count in (4096, 16384):
            noise = draw.normal(size=count)
            slope = -2 * np.sin(2 * (0.4 + 0.7 * noise))
            g = np.stack([slope, slope * 0.7 * noise], 1)
            deviations = ((g - g.mean(0)) ** 2).sum(1)
            assert assess_tail(deviations).kind == "light"
            assert largest_share(deviations) < 1.2


def test_a_log_normal_of_known_variance_is_heavy_and_its_variance_exists() -> None:
    deviations = np.random.default_rng(1).lognormal(0.0, 5.0, 2**14)
    assert assess_tail(deviations).kind == "the variance may not exist"
    assert assess_tail(deviations, exact=True).kind == "heavy"
    assert why_no_interval(deviations) == "heavy tail: no interval"


@pytest.mark.parametrize("events", [0, 1, 5])
def test_rare_events_are_not_light(events: int) -> None:
    deviations = np.zeros(2**14)
    deviations[:events] = 1.0
    tail = assess_tail(deviations)
    assert (tail.khat, tail.kind) == (None, None)
    assert TOO_FEW in (tail.reason or "")
    assert why_no_interval(deviations) == TOO_FEW


def test_many_events_that_are_alike_have_an_interval() -> None:
    deviations = np.zeros(2**14)
    deviations[:40] = 1.0
    assert assess_tail(deviations).kind == "light"
    assert why_no_interval(deviations) is None


@pytest.mark.parametrize("shape", [0.2, 0.7])
def test_the_smoothed_tail_has_the_quantiles_of_the_fit(shape: float) -> None:
    """Of a Pareto tail, to a tenth of its median exceedance; the body stays."""
    values = np.random.default_rng(2).pareto(1 / shape, 2**16)
    tail = fit_tail(values)
    assert tail is not None
    assert abs(tail.shape - shape) < 4 * tail.stderr
    new, old = smoothed(values, tail, tail.shape), np.sort(values)
    np.testing.assert_array_equal(new[: -tail.count], old[: -tail.count])
    middle = -tail.count // 2
    assert abs(new[middle] - old[middle]) < 0.1 * (old[middle] - tail.threshold)
