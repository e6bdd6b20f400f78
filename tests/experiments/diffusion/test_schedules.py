"""Schedules increase from 0 to their total, and those that shrink in their paper are the same chain rescaled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradmark.benchmarks.experiments.diffusion.simulation.reverse import ancestral, anderson
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import (
    Cosine,
    Geometric,
    LinearBeta,
    Schedule,
    increasing,
)

SCHEDULES = [Geometric(), LinearBeta(), Cosine()]


@given(
    st.one_of(
        st.builds(Geometric, total=st.floats(0.01, 1e4), ratio=st.floats(1.01, 1e6)),
        st.builds(LinearBeta, total=st.floats(0.01, 1e4), low=st.floats(0.01, 1.0), high=st.floats(2.0, 50.0)),
        st.builds(Cosine, total=st.floats(0.01, 1e4), offset=st.floats(0.0, 0.5)),
    ),
    st.integers(1, 300),
)
def test_levels_rise_to_the_total(schedule: Schedule, steps: int) -> None:
    levels = schedule.levels(steps)
    assert len(levels) == steps + 1
    assert levels[0] == 0
    assert levels[-1] == pytest.approx(schedule.total, rel=1e-9)
    assert np.diff(levels).min() > 0
    assert np.all(anderson(levels) >= ancestral(levels))
    assert ancestral(levels)[0] == 0


def test_geometric_increments() -> None:
    steps = 50
    variances = np.diff(Geometric(ratio=100.0).levels(steps))
    np.testing.assert_allclose(variances[1:] / variances[:-1], 100 ** (1 / steps), rtol=1e-9)


def test_linear_beta_is_the_paper_chain() -> None:
    """ᾱ as a product of many small 1 − β is 1/(1 + v)."""
    schedule, fine = LinearBeta(total=20.0), 200_000
    slope = schedule.high - schedule.low
    end = (np.sqrt(schedule.low**2 + 2 * slope * np.log(21.0)) - schedule.low) / slope
    share = (np.arange(fine) + 0.5) / fine
    log_left = np.log1p(-(schedule.low + slope * share * end) * end / fine).cumsum()
    np.testing.assert_allclose(schedule.levels(4)[1:], np.expm1(-log_left[fine // 4 - 1 :: fine // 4]), rtol=3e-3)


def test_cosine_is_the_papers() -> None:
    def cumulative(share: np.ndarray) -> np.ndarray:
        return np.cos((share + 0.008) / 1.008 * np.pi / 2) ** 2

    end = 2 / np.pi * 1.008 * np.arccos(np.sqrt(cumulative(np.array(0.0)) / 10)) - 0.008
    shares = np.linspace(0, end, 9)
    np.testing.assert_allclose(Cosine().levels(8), cumulative(shares[0]) / cumulative(shares) - 1, atol=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_posterior_variance_of_the_rescaled_chain(schedule: Schedule) -> None:
    """β̃_t = β_t (1 − ᾱ_{t−1})/(1 − ᾱ_t) for y = √ᾱ x is `ancestral` for x."""
    levels = schedule.levels(30)
    kept = 1 / (1 + levels)  # ᾱ
    beta = 1 - kept[1:] / kept[:-1]
    posterior = beta * (1 - kept[:-1]) / (1 - kept[1:])
    np.testing.assert_allclose(posterior / kept[:-1], ancestral(levels), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("levels", "said"),
    [([0.0, 1.0, 0.5], r"levels\[2\] = 0.5 after 1"), ([0.0, 1.0, 1.0], "increases"), ([0.1, 1.0], "no noise"),
     ([0.0], "add a level"), ([0.0, float("nan")], "increases")],
)  # fmt: skip
def test_levels_that_do_not_increase(levels: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        increasing(np.array(levels))
    for variances in (anderson, ancestral):
        with pytest.raises(ValueError, match=said):
            variances(np.array(levels))


@pytest.mark.parametrize(
    ("make", "said"),
    [(lambda: Geometric(ratio=1.0), "ratio above 1"), (lambda: Geometric(total=0.0), "use 9.0"),
     (lambda: LinearBeta(low=2.0, high=1.0), "β rises"), (lambda: Cosine(offset=1.0), "0.008"),
     (lambda: Geometric().levels(0), "at least one step")],
)  # fmt: skip
def test_bad_fields(make, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
