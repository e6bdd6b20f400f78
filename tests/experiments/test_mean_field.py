"""The experiments on mean field: the closed form, two gaps that are never negative, one of them zero."""

from __future__ import annotations

import math

import pytest

from gradmark.benchmarks.experiments import AmortisationGap, MeanFieldGap
from gradmark.benchmarks.problems import GaussianVAE
from gradmark.benchmarks.training.lbfgs import fitted


def test_the_gap_is_its_closed_form_and_grows() -> None:
    rows = MeanFieldGap(latents=(2,), correlations=(0.0, 0.5, 0.8)).run(0)["gaps"]
    for row in rows:
        assert row["closed_form"] == pytest.approx(-math.log(1 - row["correlation"] ** 2) / 2, abs=1e-14)
        assert row["error_over_rounding"] <= 64
        assert row["variance_ratio"] == pytest.approx(1 - row["correlation"] ** 2)
    assert rows[0]["gap"] < rows[1]["gap"] < rows[2]["gap"]
    assert rows[1]["sweeps"] < rows[2]["sweeps"]


def test_amortising_costs_nothing_on_a_gaussian_and_something_on_a_network() -> None:
    network, gaussian = AmortisationGap(strengths=(3.0,), noises=(0.5,), rows=24, starts=2, sweeps=30).run(0)["gaps"]
    assert abs(gaussian["amortisation"]) < 1e-10 < 0.1 < gaussian["family"]
    assert network["amortisation"] > 0.01
    assert network["family"] > 0.01


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="two latents or more can correlate; use"):
        MeanFieldGap(latents=(1,))
    with pytest.raises(ValueError, match=r"correlations=\(1.0,\)\): in \[0, 1\); use"):
        MeanFieldGap(correlations=(1.0,))
    with pytest.raises(ValueError, match="starts=0, sweeps=60\\): each is at least 1"):
        AmortisationGap(starts=0)
    with pytest.raises(ValueError, match="there is no oracle to minimise"):
        fitted(GaussianVAE(rows=2), GaussianVAE(rows=2).init(), ["decoder_bias"])
