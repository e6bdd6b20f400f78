"""Costs of one Gaussian: means and variances of every method that reaches them, in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from gradmark.benchmarks.problems import GaussianToy
from gradmark.estimators import ExactGradient, LeaveOneOut, MovingAverageBaseline, Reparameterization, ScoreFunction
from tests.estimators import closed_forms
from tests.estimators.agreement import assert_agrees, frozen_average, measured

FEWER = 2**16  # replicates, where tails are short
QUADRATIC = [(0.0, 1.0, 1.0), (-3.0, 1.0, 1.0), (0.7, -0.4, 0.5), (2.0, 0.3, 1.6), (1.1, 1.1, 0.8)]
COSINE = [(1.0, 1.0, 1.0), (2.0, 0.4, 0.7), (0.5, -1.0, 1.4), (3.0, 2.0, 0.3)]
BELL = [(1.0, 1.0, 1.0), (0.3, -0.5, 1.3), (4.0, 0.2, 0.5)]

each_quadratic = pytest.mark.parametrize(("k", "loc", "scale"), QUADRATIC)
each_wave = pytest.mark.parametrize(
    ("function", "k", "loc", "scale"), [("cos", *c) for c in COSINE] + [("exp", *c) for c in BELL]
)
COSTS: dict[str, Callable[[float, np.ndarray], np.ndarray]] = {
    "cos": lambda k, z: np.cos(k * z),
    "exp": lambda k, z: np.exp(-k * z**2),
}


def wave(function: str, k: float, loc: float, scale: float) -> dict:
    return (closed_forms.cosine if function == "cos" else closed_forms.bell)(k, loc, scale)


@each_quadratic
def test_score_function(k: float, loc: float, scale: float) -> None:
    moments = measured(GaussianToy(k=k, loc=loc, scale=scale), ScoreFunction())
    assert_agrees(moments, *closed_forms.quadratic(k, loc, scale).score_function())


@pytest.mark.each_once
@each_quadratic
@pytest.mark.parametrize("offset", [0.0, 1.5])
def test_warm_moving_average(k: float, loc: float, scale: float, offset: float) -> None:
    """A baseline at the mean cost, and one that is off it."""
    baseline = (loc - k) ** 2 + scale**2 + offset
    problem = GaussianToy(k=k, loc=loc, scale=scale)
    moments = measured(problem, MovingAverageBaseline(), replicates=2**19, state=frozen_average(baseline))
    assert_agrees(moments, *closed_forms.quadratic(k, loc, scale).score_function(baseline))


@pytest.mark.each_once
@each_quadratic
@pytest.mark.parametrize("draws", [2, 3, 7])
def test_leave_one_out(k: float, loc: float, scale: float, draws: int) -> None:
    moments = measured(GaussianToy(k=k, loc=loc, scale=scale), LeaveOneOut(), draws)
    assert_agrees(moments, *closed_forms.quadratic(k, loc, scale).leave_one_out(draws))


@each_quadratic
def test_reparameterization(k: float, loc: float, scale: float) -> None:
    moments = measured(GaussianToy(k=k, loc=loc, scale=scale), Reparameterization(), replicates=FEWER)
    assert_agrees(moments, *closed_forms.quadratic_pathwise(k, loc, scale))


@each_wave
def test_score_function_of_waves(function: str, k: float, loc: float, scale: float) -> None:
    moments = measured(GaussianToy(function, k, loc, scale), ScoreFunction(), replicates=FEWER)
    assert_agrees(moments, *wave(function, k, loc, scale)["score function"])


@each_wave
def test_reparameterization_of_waves(function: str, k: float, loc: float, scale: float) -> None:
    moments = measured(GaussianToy(function, k, loc, scale), Reparameterization(), replicates=FEWER)
    assert_agrees(moments, *wave(function, k, loc, scale)["pathwise"])


@pytest.mark.each_once
@each_wave
@pytest.mark.parametrize("draws", [2, 5])
def test_leave_one_out_of_waves(function: str, k: float, loc: float, scale: float, draws: int) -> None:
    moments = measured(GaussianToy(function, k, loc, scale), LeaveOneOut(), draws, FEWER)
    assert_agrees(moments, *closed_forms.by_quadrature(lambda z: COSTS[function](k, z), loc, scale, draws))


@pytest.mark.parametrize("estimator", [ScoreFunction(), Reparameterization()], ids=str)
def test_draws_are_averaged(estimator: ScoreFunction | Reparameterization) -> None:
    """K draws divide the variance by K."""
    form = closed_forms.cosine(2.0, 0.4, 0.7)
    answers = form["score function" if isinstance(estimator, ScoreFunction) else "pathwise"]
    moments = measured(GaussianToy("cos", 2.0, 0.4, 0.7), estimator, 5, FEWER)
    assert_agrees(moments, *((mean, variance / 5) for mean, variance in answers))


@each_quadratic
def test_exact_gradient_has_no_noise(k: float, loc: float, scale: float) -> None:
    moments = measured(GaussianToy(k=k, loc=loc, scale=scale), ExactGradient(), replicates=32)
    answers = [(mean, 0.0) for mean, _ in closed_forms.quadratic_pathwise(k, loc, scale)]
    assert_agrees(moments, *answers)


@each_quadratic
def test_polynomials_are_the_known_columns(k: float, loc: float, scale: float) -> None:
    """The general formula for α + βe + γe² gives the columns printed for the quadratic, with respect to σ."""
    a, s, form = loc - k, scale, closed_forms.quadratic(k, loc, scale)
    mean = a**2 + s**2
    columns = {
        (a**4 / s**2 + 14 * a**2 + 15 * s**2, 2 * a**4 / s**2 + 60 * a**2 + 74 * s**2): form.score_function(),
        (8 * a**2 + 10 * s**2, 40 * a**2 + 56 * s**2): form.score_function(mean),
        (8 * a**2 + 6 * s**2, 24 * a**2 + 32 * s**2): form.leave_one_out(2),
    }
    for (by_loc, by_scale), (found_loc, found_log_scale) in columns.items():
        assert found_loc[1] == pytest.approx(by_loc)
        assert found_log_scale[1] == pytest.approx(s**2 * by_scale)


@pytest.mark.parametrize(
    ("form", "loc", "log_scale"),
    [
        (closed_forms.quadratic(-3, 1, 1).score_function(), 495, 1546),
        (closed_forms.quadratic(0, 1, 1).score_function(), 30, 136),
        (closed_forms.quadratic(3, 1, 1).score_function(), 87, 346),
        (closed_forms.quadratic_pathwise(-3, 1, 1), 4, 72),
        (closed_forms.cosine(0.5, 1, 1)["score function"], 0.45525, 0.79866),
        (closed_forms.cosine(2, 1, 1)["score function"], 0.44107, 0.92798),
        (closed_forms.cosine(2, 1, 1)["pathwise"], 1.93986, 1.94267),
        (closed_forms.bell(0.1, 1, 1)["score function"], 0.56353, 0.93538),
        (closed_forms.bell(1, 1, 1)["pathwise"], 0.21172, 0.17573),
        (closed_forms.bell(10, 1, 1)["pathwise"], 0.94163, 0.89205),
    ],
)
def test_known_values(form: tuple, loc: float, log_scale: float) -> None:
    assert form[0][1] == pytest.approx(loc, abs=6e-6)
    assert form[1][1] == pytest.approx(log_scale, abs=6e-6)


@each_wave
def test_quadrature_knows_the_score_function(function: str, k: float, loc: float, scale: float) -> None:
    """The check for leave-one-out rests on the same nodes."""
    e, weight = closed_forms.gaussian_nodes()
    found = closed_forms.score_function(COSTS[function](k, loc + scale * e), e / scale, weight)
    assert found == pytest.approx(wave(function, k, loc, scale)["score function"][0], rel=1e-9)
    assert math.isclose(weight.sum(), 1.0)
