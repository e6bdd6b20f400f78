"""Costs of bits: means and variances of every method that reaches them, by formula or by enumeration."""

from __future__ import annotations

import pytest

from gradmark.benchmarks.problems import BernoulliToy
from gradmark.estimators import ExactGradient, LeaveOneOut, MovingAverageBaseline, ScoreFunction, StraightThrough
from tests.estimators import closed_forms
from tests.estimators.agreement import assert_agrees, assert_mean, assert_variance, frozen_average, measured

PROBS, TARGETS = (0.5, 0.3, 0.1, 0.85), (0.45, 0.499, 0.8)
each_bit = pytest.mark.parametrize(("p", "t"), [(p, t) for p in PROBS for t in TARGETS])
each_group = pytest.mark.parametrize("probs", [(0.5,) * 5, (0.3, 0.85, 0.6), (0.9, 0.2)], ids=str)
FEWER = 2**17


@each_bit
def test_score_function(p: float, t: float) -> None:
    moments = measured(BernoulliToy((p,), t), ScoreFunction(), replicates=FEWER)
    assert_agrees(moments, closed_forms.bit_score_function(p, t))


@each_bit
def test_warm_moving_average(p: float, t: float) -> None:
    """At the mean cost: p(1 − p)(1 − 2p)²(1 − 2t)²."""
    baseline = p * (1 - t) ** 2 + (1 - p) * t**2
    moments = measured(BernoulliToy((p,), t), MovingAverageBaseline(), replicates=FEWER, state=frozen_average(baseline))
    mean, variance = closed_forms.bit_score_function(p, t, baseline)
    assert variance == pytest.approx(p * (1 - p) * (1 - 2 * p) ** 2 * (1 - 2 * t) ** 2, abs=1e-15)
    assert_agrees(moments, (mean, variance))


def test_the_best_constant_leaves_no_noise() -> None:
    moments = measured(
        BernoulliToy((0.3,), 0.45),
        MovingAverageBaseline(),
        replicates=64,
        state=frozen_average(0.7 * 0.55**2 + 0.3 * 0.45**2),
    )
    assert_agrees(moments, (0.1 * 0.3 * 0.7, 0.0))


@pytest.mark.each_once
@each_bit
@pytest.mark.parametrize("draws", [2, 3, 6])
def test_leave_one_out(p: float, t: float, draws: int) -> None:
    mean, variance = closed_forms.bit_leave_one_out(p, t, draws)
    assert mean == pytest.approx(p * (1 - p) * (1 - 2 * t))
    if draws == 2:
        assert variance == pytest.approx((1 - 2 * t) ** 2 * p * (1 - p) * (0.5 - p * (1 - p)))
    assert_agrees(measured(BernoulliToy((p,), t), LeaveOneOut(), draws, FEWER), (mean, variance))


@each_bit
def test_straight_through(p: float, t: float) -> None:
    mean, variance = closed_forms.bit_straight_through(p, t)
    assert mean - p * (1 - p) * (1 - 2 * t) == pytest.approx(p * (1 - p) * (2 * p - 1))
    assert_agrees(measured(BernoulliToy((p,), t), StraightThrough(), replicates=FEWER), (mean, variance))


@each_bit
def test_enumeration_has_no_noise(p: float, t: float) -> None:
    moments = measured(BernoulliToy((p,), t), ExactGradient(), replicates=32)
    assert_agrees(moments, (p * (1 - p) * (1 - 2 * t), 0.0))


@each_group
def test_several_bits(probs: tuple[float, ...]) -> None:
    """By the formula that holds for any q and cost, over all states."""
    t = 0.45
    f, scores, weight = closed_forms.bits(probs, t)
    for estimator, draws in ((ScoreFunction(), 1), (LeaveOneOut(), 2), (LeaveOneOut(), 4)):
        moments = measured(BernoulliToy(probs, t), estimator, draws, FEWER)
        if draws == 1:
            answers = [closed_forms.score_function(f, s, weight) for s in scores]
        else:
            answers = [closed_forms.leave_one_out(f, s, weight, draws) for s in scores]
        for index, answer in enumerate(answers):
            assert_mean(moments, index, *answer)
        assert_variance(moments, 1, sum(variance for _, variance in answers))


@each_group
def test_straight_through_of_several_bits(probs: tuple[float, ...]) -> None:
    moments = measured(BernoulliToy(probs, 0.45), StraightThrough(), replicates=FEWER)
    answers = [closed_forms.bit_straight_through(p, 0.45) for p in probs]
    for index, answer in enumerate(answers):
        assert_mean(moments, index, *answer)
    assert_variance(moments, 1, sum(variance for _, variance in answers))


@pytest.mark.parametrize("number", [2, 6])
def test_leave_one_out_at_even_odds(number: int) -> None:
    """Of the sum of D bits at p = ½, with 2 draws: D(1 − 2t)²/16 for each coordinate."""
    f, scores, weight = closed_forms.bits((0.5,) * number, 0.3)
    for s in scores:
        assert closed_forms.leave_one_out(f, s, weight, 2)[1] == pytest.approx(number * 0.4**2 / 16)


@pytest.mark.parametrize(
    ("p", "t", "reinforce", "leave_one_out"),
    [
        (0.5, 0.45, 1.593906e-2, 6.25e-4),
        (0.3, 0.45, 1.559381e-2, 6.09e-4),
        (0.1, 0.45, 7.700063e-3, 3.69e-4),
        (0.5, 0.499, 1.562513e-2, 2.5e-7),
    ],
)
def test_known_values(p: float, t: float, reinforce: float, leave_one_out: float) -> None:
    assert closed_forms.bit_score_function(p, t)[1] == pytest.approx(reinforce, rel=1e-6)
    assert closed_forms.bit_leave_one_out(p, t, 2)[1] == pytest.approx(leave_one_out, rel=1e-6)
