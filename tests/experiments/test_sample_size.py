"""Slopes from quantities whose slope is known, those of estimators whose variance is, and ratios along a run."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from gradmark.benchmarks.experiments import AlongTraining, SampleSize
from gradmark.benchmarks.experiments.along_training import parameters_of_q
from gradmark.benchmarks.experiments.sample_size import fitted_slope
from gradmark.benchmarks.measurement.quantities import Quantity, log_interval
from gradmark.benchmarks.problems import GaussianToy, GaussianVAE, StepToy

SAMPLES = (2, 4, 8, 16)


def noisy(slope: float, bend: float, seed: int, relative: float = 0.01) -> list[Quantity]:
    noise = np.random.default_rng(seed).normal(size=len(SAMPLES)) * relative
    found = [3 * n**slope * (1 + bend / n) * math.exp(e) for n, e in zip(SAMPLES, noise, strict=True)]
    return [log_interval(value, relative, 100) for value in found]


def test_a_slope_is_found_and_its_interval_covers() -> None:
    """Of 400 runs at 95 %, 380 and five binomial standard deviations of 4.4 less or more cover: once in 10⁶ not."""
    covered, misfits = 0, []
    for seed in range(400):
        slope, misfit = fitted_slope(SAMPLES, noisy(-1.0, 0.0, seed))
        assert slope.ci is not None
        assert misfit is not None
        covered += slope.ci[0] <= -1 <= slope.ci[1]
        misfits.append(misfit)
    assert 358 <= covered < 400  # an interval that always covers is too wide
    assert 0.7 < float(np.mean(misfits)) < 1.3


def test_a_bend_is_seen_as_a_misfit_and_another_slope_is_not_taken_for_it() -> None:
    _, misfit = fitted_slope(SAMPLES, noisy(-1.0, 1.0, 0))
    assert misfit is not None
    assert misfit > stats.chi2.isf(1e-6, 2) / 2
    slope, _ = fitted_slope(SAMPLES, noisy(-1.2, 0.0, 0))
    assert slope.ci is not None
    assert slope.ci[1] < -1.1


def test_no_slope_without_a_variance() -> None:
    assert fitted_slope(SAMPLES, [Quantity(0.0, 0.0)] * 4)[0].value is None


def test_means_of_independent_draws_have_the_slope_of_one() -> None:
    """|slope + 1| below 5 standard errors for two estimators: once in 10⁶; leave-one-out is steeper by more."""
    tables = SampleSize(samples=(2, 4, 8), draws=2**16).run(0)
    naive, left_out, path = (row["slope"] for row in tables["slopes"])
    for slope in (naive, path):
        assert abs(slope["value"] + 1) < 5 * slope["stderr"]
    assert left_out["value"] < -1 - 0.03
    closed = {
        row["samples"]: row["variance"] for row in tables["variances"] if row["estimator"] == "Reparameterization()"
    }
    params = GaussianToy(k=-3.0).init()
    assert set(params) == {"loc", "log_scale"}
    assert closed[4]["value"] / closed[8]["value"] == pytest.approx(2, rel=0.05)


def test_who_does_not_fit_is_kept_as_data() -> None:
    tables = SampleSize(estimators=("ScoreFunction()", "DisARM()"), samples=(1, 2, 4), draws=4096).run(0)
    assert [row["estimator"] for row in tables["slopes"]] == ["ScoreFunction()"]
    [refused] = tables["refused"]
    assert refused["estimator"] == "DisARM()"
    assert "use " in refused["reason"]
    assert SampleSize(problem=StepToy(), estimators=("Reparameterization()",)).refuses() is not None
    assert SampleSize().refuses() is None


def test_the_encoder_is_what_q_depends_on() -> None:
    problem = GaussianVAE(rows=4, hidden=3)
    assert parameters_of_q(problem, problem.init()) == {name for name in problem.init() if name.startswith("encoder")}


def test_ratios_along_a_run() -> None:
    """The naive gradient is far noisier in the encoder at each parameter point, and the decoder's is the same."""
    experiment = AlongTraining(
        problem=GaussianVAE(rows=8, hidden=4), estimators=("Reparameterization()", "ScoreFunction()"), steps=40,
        replicates=256,
    )  # fmt: skip
    tables = experiment.run(0)
    assert [row["at"] for row in tables["points"]] == ["init", "step=20", "step=40"]
    start, _, end = (row["objective"] for row in tables["points"])
    assert end["ci"][1] < start["ci"][0]
    for row in tables["variances"]:
        if row["estimator"] == "ScoreFunction()":
            low, high = row["ratio"]["ci"]
            assert low > 10 if row["part"] == "encoder" else (low, high) == (1, 1)
    assert tables == experiment.run(0)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="a slope takes three numbers"):
        SampleSize(samples=(2, 4))
    with pytest.raises(ValueError, match="a variance takes 1024 estimates; pass 65536"):
        SampleSize(draws=1000)
    with pytest.raises(ValueError, match="half-way is a whole step"):
        AlongTraining(steps=3)
    assert "use " in (AlongTraining(estimators=("DisARM()",)).refuses() or "")
