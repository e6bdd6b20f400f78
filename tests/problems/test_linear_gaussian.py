"""Probabilistic PCA against the joint Gaussian, conditioned and marginalised by numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch.distributions import MultivariateNormal, kl_divergence

from gradmark.benchmarks.problems import LinearGaussian
from gradmark.estimators.core import Params

PROBLEMS = [LinearGaussian(), LinearGaussian(latents=1, observed=3, rows=7), LinearGaussian(latents=4, seed=3)]


def numbers(params: Params) -> tuple[np.ndarray, np.ndarray, float]:
    return params["weight"].numpy(), params["bias"].numpy(), float(params["log_noise"].exp())


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_evidence_is_that_of_the_marginal(problem: LinearGaussian) -> None:
    weight, bias, noise = numbers(params := problem.init())
    covariance = weight @ weight.T + noise**2 * np.eye(problem.observed)
    expected = multivariate_normal.logpdf(problem.observations(params).numpy(), bias, covariance)  # type: ignore[arg-type]  # scipy's stub takes a number only
    np.testing.assert_allclose(problem.log_evidence(params).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_posterior_is_the_joint_conditioned(problem: LinearGaussian) -> None:
    weight, bias, noise = numbers(params := problem.init())
    gain = weight.T @ np.linalg.inv(weight @ weight.T + noise**2 * np.eye(problem.observed))
    posterior = problem.posterior(params)
    assert isinstance(posterior, MultivariateNormal)
    assert posterior.batch_shape == (problem.rows,)
    expected = (problem.observations(params).numpy() - bias) @ gain.T
    np.testing.assert_allclose(posterior.mean.numpy(), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(
        posterior.covariance_matrix[0].numpy(), np.eye(problem.latents) - gain @ weight, atol=1e-12
    )


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_evidence_is_the_bound_and_the_gap(problem: LinearGaussian) -> None:
    for params in (problem.init(), problem.true_parameters()):
        q = problem.distribution(params)
        joint_q = MultivariateNormal(q.mean, torch.diag_embed(q.variance))
        gap = kl_divergence(joint_q, problem.posterior(params))
        torch.testing.assert_close(-problem.exact(params) + gap, problem.log_evidence(params), rtol=0, atol=1e-10)


def test_bayes_rule_holds_for_every_draw() -> None:
    problem = LinearGaussian(rows=9)
    params = {name: value.expand(2, *value.shape) for name, value in problem.init().items()}
    posterior = problem.posterior(params)
    torch.manual_seed(0)
    z = posterior.sample((5,))
    left = problem.log_joint(params, z) - posterior.log_prob(z)
    torch.testing.assert_close(left, problem.log_evidence(params).expand_as(left), rtol=0, atol=1e-10)


def test_gap_at_the_true_parameters_is_the_smallest_of_the_family() -> None:
    problem = LinearGaussian(latents=3)
    params = problem.true_parameters()
    precision = torch.eye(3, dtype=torch.float64) + params["weight"].mT @ params["weight"] / problem.noise**2
    expected = (precision.diagonal().log().sum() - torch.logdet(precision)) / 2
    gap = problem.exact(params) + problem.log_evidence(params)
    torch.testing.assert_close(gap, expected.expand(problem.rows), rtol=0, atol=1e-10)


def test_data_belong_to_the_fields() -> None:
    cpu = torch.device("cpu")
    rows = LinearGaussian().data_rows(torch.float64, cpu)
    assert rows.shape == (64, 5)
    assert torch.equal(rows, LinearGaussian().data_rows(torch.float64, cpu))
    assert not torch.equal(rows, LinearGaussian(seed=1).data_rows(torch.float64, cpu))
    torch.testing.assert_close(LinearGaussian().data_rows(torch.float32, cpu), rows.float())
    true, start = LinearGaussian().true_parameters(), LinearGaussian().init()
    assert {name: value.shape for name, value in true.items()} == {name: value.shape for name, value in start.items()}


def test_data_are_drawn_from_the_true_parameters() -> None:
    """Whitened rows are standard normal: their squared lengths sum to a χ² of rows × observed degrees of freedom."""
    problem = LinearGaussian(rows=4000)
    weight, bias, noise = numbers(params := problem.true_parameters())
    factor = np.linalg.cholesky(weight @ weight.T + noise**2 * np.eye(5))
    white = np.linalg.solve(factor, (problem.observations(params).numpy() - bias).T)
    assert abs((white**2).sum() - white.size) < 5 * np.sqrt(2 * white.size)
    assert np.abs(white.mean(1)).max() < 5 / np.sqrt(4000)


def test_evidence_of_selected_rows_carries_their_weight() -> None:
    problem = LinearGaussian(rows=8)
    params = problem.init()
    whole = problem.log_evidence(params)
    torch.testing.assert_close(problem.select(torch.tensor([5, 2])).log_evidence(params), whole[[5, 2]] * 4)


@pytest.mark.parametrize("fields", [{"latents": 0}, {"observed": 0}, {"rows": 0}, {"noise": 0.0}, {"seed": -1}])
def test_impossible_fields_are_refused(fields: dict) -> None:
    with pytest.raises(ValueError, match="LinearGaussian"):
        LinearGaussian(**fields)
