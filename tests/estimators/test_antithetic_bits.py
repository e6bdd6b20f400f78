"""ARM and DisARM against closed forms and enumeration, and their bits against their distribution."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.properties import constants_change_nothing
from gradmark.benchmarks.measurement.block import lifted, seeded
from gradmark.benchmarks.problems import BernoulliToy, BernoulliVAE, GaussianToy
from gradmark.estimators import ARM, DisARM
from gradmark.estimators.core import Estimator
from gradmark.estimators.couplings import antithetic_bits
from tests.estimators.agreement import assert_agrees, assert_mean, assert_variance, measured

FEWER = 2**16
ODDS = [(0.5, 0.45), (0.3, 0.45), (0.1, 0.8), (0.85, 0.499)]
HOST = torch.device("cpu")
each_bit = pytest.mark.parametrize(("p", "t"), ODDS)
each_method = pytest.mark.parametrize("estimator", [ARM(), DisARM()], ids=str)


def arm(p: float, t: float) -> tuple[float, float]:
    """(2D²/3)(1/8 − (½ − q)³) − G² with q = min(p, 1 − p), D = 1 − 2t, G = D p(1 − p)."""
    mean, q = (1 - 2 * t) * p * (1 - p), min(p, 1 - p)
    return mean, 2 * (1 - 2 * t) ** 2 / 3 * (1 / 8 - (0.5 - q) ** 3) - mean**2


def disarm(p: float, t: float) -> tuple[float, float]:
    """D² q(1 − q)²(½ − q)."""
    q = min(p, 1 - p)
    return (1 - 2 * t) * p * (1 - p), (1 - 2 * t) ** 2 * q * (1 - q) ** 2 * (0.5 - q)


def pieces(p: float) -> list[tuple[float, float, int, int]]:
    """Where u lies, from and to, and the bits 1[u > 1 − p] and 1[u < p] there."""
    edges = [0.0, min(p, 1 - p), max(p, 1 - p), 1.0]
    middles = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    return [(*edge, int(m > 1 - p), int(m < p)) for edge, m in zip(itertools.pairwise(edges), middles, strict=True)]


def several(probs: tuple[float, ...], t: float, integrated: bool) -> list[tuple[float, float]]:
    """Mean and variance of each coordinate over all pairs of states; the uniforms integrated inside or outside."""
    first, second = np.zeros(len(probs)), np.zeros(len(probs))
    for cell in itertools.product(*(pieces(p) for p in probs)):
        weight = math.prod(high - low for low, high, _, _ in cell)
        on, off = (sum((piece[2 + i] - t) ** 2 for piece in cell) for i in (0, 1))
        for i, (low, high, _, _) in enumerate(cell):
            slope = (low + high) / 2 - 0.5  # the mean of u − ½ on the piece
            square = slope**2 if integrated else slope**2 + (high - low) ** 2 / 12
            first[i] += weight * (on - off) * slope
            second[i] += weight * (on - off) ** 2 * square
    return [(float(m), float(s - m**2)) for m, s in zip(first, second, strict=True)]


@each_bit
def test_arm_of_one_bit(p: float, t: float) -> None:
    assert_agrees(measured(BernoulliToy((p,), t), ARM(), 2, FEWER), arm(p, t))


@each_bit
def test_disarm_of_one_bit(p: float, t: float) -> None:
    assert_agrees(measured(BernoulliToy((p,), t), DisARM(), 2, FEWER), disarm(p, t))


@each_method
def test_pairs_are_averaged(estimator: Estimator) -> None:
    mean, variance = (arm if isinstance(estimator, ARM) else disarm)(0.3, 0.45)
    assert_agrees(measured(BernoulliToy((0.3,), 0.45), estimator, 6, FEWER), (mean, variance / 3))


@each_method
@pytest.mark.parametrize("probs", [(0.3, 0.85, 0.6), (0.9, 0.2)], ids=str)
def test_several_bits(estimator: Estimator, probs: tuple[float, ...]) -> None:
    answers = several(probs, 0.45, isinstance(estimator, DisARM))
    moments = measured(BernoulliToy(probs, 0.45), estimator, 2, FEWER)
    for index, (p, answer) in enumerate(zip(probs, answers, strict=True)):
        assert answer[0] == pytest.approx(0.1 * p * (1 - p))
        assert_mean(moments, index, *answer)
    assert_variance(moments, 1, sum(variance for _, variance in answers))


@pytest.mark.parametrize("number", [2, 5])
def test_disarm_at_even_odds(number: int) -> None:
    """D bits at p = ½, of the sum of their costs: (D − 1)(1 − 2t)²/16 for each, while leave-one-out has D."""
    for _, variance in several((0.5,) * number, 0.3, True):
        assert variance == pytest.approx((number - 1) * 0.4**2 / 16)


@pytest.mark.parametrize(
    ("p", "t", "of_arm", "of_disarm"),
    [
        (0.5, 0.45, 2.083333e-4, 0.0),
        (0.3, 0.45, 3.39e-4, 2.94e-4),
        (0.1, 0.45, 3.256667e-4, 3.24e-4),
        (0.5, 0.499, 8.3333e-8, 0.0),
    ],
)
def test_known_values(p: float, t: float, of_arm: float, of_disarm: float) -> None:
    assert arm(p, t)[1] == pytest.approx(of_arm, rel=1e-5)
    assert disarm(p, t)[1] == pytest.approx(of_disarm, rel=1e-5)
    assert several((p,), t, False)[0] == pytest.approx(arm(p, t))
    assert several((p,), t, True)[0] == pytest.approx(disarm(p, t))


@each_method
def test_constants_have_no_effect(estimator: Estimator) -> None:
    for problem in (BernoulliToy((0.3, 0.8)), BernoulliVAE(latents=2, rows=3)):
        constants_change_nothing(EstimatorCase(estimator, Case(problem), 4)).demand()


def test_disarm_is_the_mean_of_arm_given_the_pair() -> None:
    """Draw by draw: same uniforms, u − ½ replaced by ½ (b − b̃) σ(|φ|)."""
    problem = BernoulliToy((0.3, 0.8))
    params = lifted(problem.init(), 16)
    found = []
    for estimator in (ARM(), DisARM()):
        with seeded(5, HOST):
            found.append(estimator.estimate(problem, params, (), 2).gradient["logits"])
    with seeded(5, HOST):
        u, b, paired = antithetic_bits(params["logits"], 1)
    steps = (b - paired) * params["logits"].abs().sigmoid() / 2 / (u - 0.5)
    torch.testing.assert_close(found[1], found[0] * steps[0])


def test_bits_of_a_pair_come_from_one_uniform() -> None:
    logits = torch.tensor([-0.8, 0.0, 1.7], dtype=torch.float64)
    with seeded(1, HOST):
        u, b, paired = antithetic_bits(logits, 2**16)
    p = logits.sigmoid()
    assert torch.equal(b, (u > 1 - p).double())
    assert torch.equal(paired, (u < p).double())
    z = (torch.stack([b, paired]).mean(1) - p).abs() / (p * (1 - p) / 2**16).sqrt()
    assert z.max() < 5  # two-sided 6e-7, for six numbers


@each_method
@pytest.mark.parametrize("draws", [0, 1, 3])
def test_odd_counts_are_refused(estimator: Estimator, draws: int) -> None:
    reason = estimator.refuses(BernoulliToy(), draws)
    assert reason is not None
    assert f"num_samples={draws}" in reason
    assert "pass 2 or 4" in reason


@each_method
def test_what_is_no_bit_is_refused(estimator: Estimator) -> None:
    reason = estimator.refuses(GaussianToy(), 2)
    assert reason is not None
    assert "independent bits" in reason
    with pytest.raises(ValueError, match="independent bits"):
        estimator.estimate(GaussianToy(), GaussianToy().init(), (), 2)
