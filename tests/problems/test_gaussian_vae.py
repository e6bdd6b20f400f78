"""The auto-encoder against the same network in plain numpy, one row and one draw at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import bernoulli, norm
from sklearn.datasets import load_digits

from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.problems import GaussianVAE
from gradmark.benchmarks.problems.autoencoders.base import pixels_log_likelihood


def test_cost_is_that_of_a_loop() -> None:
    problem = GaussianVAE(rows=4, hidden=3)
    params = {name: value + 0.05 for name, value in problem.init().items()}
    w = {name: value.numpy() for name, value in params.items()}
    z = np.random.default_rng(0).standard_normal((2, 4, 2))
    found = problem.cost(params, torch.from_numpy(z), problem.distribution(params))
    for row, pixels in enumerate(load_digits(return_X_y=True)[0][:4] / 16):
        hidden = np.tanh(w["encoder_hidden_weight"] @ pixels + w["encoder_hidden_bias"])
        loc = w["encoder_loc_weight"] @ hidden + w["encoder_loc_bias"]
        scale = np.exp(w["encoder_log_scale_weight"] @ hidden + w["encoder_log_scale_bias"])
        for draw in range(2):
            back = np.tanh(w["decoder_hidden_weight"] @ z[draw, row] + w["decoder_hidden_bias"])
            lit = 1 / (1 + np.exp(-(w["decoder_logits_weight"] @ back + w["decoder_logits_bias"])))
            likelihood = (pixels * np.log(lit) + (1 - pixels) * np.log(1 - lit)).sum()
            expected = norm.logpdf(z[draw, row], loc, scale).sum() - norm.logpdf(z[draw, row]).sum() - likelihood
            assert found[draw, row].item() == pytest.approx(expected, rel=1e-10)


def test_binary_pixels_have_the_likelihood_of_bernoulli_draws() -> None:
    draw = np.random.default_rng(0)
    logits, x = draw.standard_normal((3, 2, 9)), draw.integers(0, 2, (2, 9))
    expected = bernoulli.logpmf(x, 1 / (1 + np.exp(-logits))).sum(-1)
    found = pixels_log_likelihood(torch.from_numpy(logits), torch.from_numpy(x).double())
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_sizes_are_the_fields() -> None:
    problem = GaussianVAE(data="mnist-5k", hidden=500, latents=20)
    shapes = {name: tuple(value.shape) for name, value in problem.init().items()}
    assert shapes["encoder_hidden_weight"] == (500, 784)
    assert shapes["encoder_log_scale_weight"] == (20, 500)
    assert shapes["decoder_logits_bias"] == (784,)
    assert (problem.num_rows, problem.footprint) == (5000, 5000 * 784)
    assert GaussianVAE(rows=10).num_rows == len(GaussianVAE(rows=10).observations(GaussianVAE(rows=10).init())) == 10


def test_it_says_why_there_is_no_oracle() -> None:
    problem = GaussianVAE()
    assert problem.exact(problem.init()) is None
    assert problem.posterior(problem.init()) is None
    assert "not linear" in problem.no_oracle


@pytest.mark.parametrize(
    "fields", [{"latents": 0}, {"hidden": 0}, {"rows": 0}, {"rows": 1798}, {"data": "breast_cancer"}, {"data": "digit"}]
)
def test_impossible_fields_are_refused(fields: dict) -> None:
    with pytest.raises((ValueError, BadInput), match=str(next(iter(fields.values())))):
        GaussianVAE(**fields)
