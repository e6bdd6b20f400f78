"""Batch-normalised advantages: their exact expectation by two enumerations, the measured one, and who refuses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.exact_moments import exact_moments
from gradmark.benchmarks.experiments import NormalisedAdvantages, PolicyGradient
from gradmark.benchmarks.experiments.policy_gradient.normalised_advantages import METHODS, expected_gradient
from gradmark.benchmarks.problems import ContextualBandit, GaussianToy
from gradmark.estimators.core import gradient_of_sum

BANDIT = ContextualBandit(contexts=(0.7, 0.3), rewards=((1.0, 2.0), (3.0, 0.5)))
FIXTURE = Case(BANDIT)


@pytest.mark.parametrize("batch", [2, 3])
@pytest.mark.parametrize("normalised", [False, True])
def test_expectation_over_batches_is_that_over_draws(batch: int, normalised: bool) -> None:
    """The sum over batches up to order against the grid of the checks, which does not know them."""
    found = expected_gradient(BANDIT, FIXTURE.params, batch, normalised=normalised)
    assert found is not None
    expected = exact_moments(
        EstimatorCase(METHODS["normalised" if normalised else "mean baseline"], FIXTURE, batch)
    ).mean.numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("batch", [2, 5, 12])
def test_the_mean_baseline_is_short_by_one_over_k_and_the_normalised_is_not(batch: int) -> None:
    params = {name: value.requires_grad_() for name, value in FIXTURE.params.items()}
    truth = gradient_of_sum(BANDIT.exact(params), params)["logits"].flatten().numpy()
    found = expected_gradient(BANDIT, FIXTURE.params, batch, normalised=False)
    assert found is not None
    np.testing.assert_allclose(found, (batch - 1) / batch * truth, rtol=1e-10)
    normalised = expected_gradient(BANDIT, FIXTURE.params, batch, normalised=True)
    assert normalised is not None
    found_cosine = normalised @ truth / np.linalg.norm(normalised) / np.linalg.norm(truth)
    assert found_cosine < 1 - 1e-4


def test_measured_is_exact_within_its_noise() -> None:
    """|t| of 4 lengths and cosines with 31 degrees of freedom, below 6: a false alarm once in 10⁵."""
    tables = NormalisedAdvantages(problem=BANDIT, batches=(2, 6), draws=2**16).run(0)
    for row in tables["bias"]:
        for name in ("length", "cosine"):
            off = row[name]["value"] - row[f"exact_{name}"]
            assert abs(off) < 6 * row[name]["stderr"] + 1e-4, (row, name)
    by = {(row["batch"], row["method"]): row["length"] for row in tables["bias"]}
    gap = by[6, "normalised"]["value"] - 1
    assert abs(gap) > 6 * by[6, "normalised"]["stderr"], "the bias is seen"


def test_policy_gradient_agrees_with_what_is_written_by_hand() -> None:
    tables = PolicyGradient(horizons=(1, 3), replicates=1024).run(0)
    for row in tables["agreement"]:
        assert row["paths_that_differ"] == 0
        assert all(row[name] < 1e-12 for name in row if name not in ("horizon", "paths_that_differ"))
    last = [row["variance"]["value"] for row in tables["variances"] if row["horizon"] == 3]
    assert last[0] > last[2] > last[3]


@dataclass(frozen=True)
class Toy(GaussianToy):
    """No decision."""


def test_bad_input() -> None:
    assert "use ContextualBandit() or TabularMDP()" in (NormalisedAdvantages(problem=Toy()).refuses() or "")
    assert NormalisedAdvantages().refuses() is None
    with pytest.raises(ValueError, match="one draw has no sd"):
        NormalisedAdvantages(batches=(1, 2))
    with pytest.raises(ValueError, match="horizons increase"):
        PolicyGradient(horizons=(4, 2))
    with pytest.raises(ValueError, match="leave-one-out takes 2"):
        PolicyGradient(num_samples=1)
    assert torch.equal(BANDIT.init()["logits"], torch.zeros(2, 2, dtype=torch.float64))
