"""The quadrature against adaptive integration, the data against scikit-learn, the optimum."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.problems import BayesianLogisticRegression
from gradmark.benchmarks.problems.regression.bayesian_logistic_regression import expected_softplus
from gradmark.estimators.core import Params

SCALES = [1e-6, 1e-3, 0.1, 0.5, 1.0, 2.0, 3.5, 5.0, 10.0, 50.0, 200.0]
MEANS = [-60.0, -33.0, -5.0, -0.3, 0.0, 1.0, 10.0, 31.0, 50.0]


def integral(mean: float, scale: float, power: int = 0, derivative: bool = False) -> float:
    """∫ φ(u) u^power f(mean + scale u) du, f softplus or its derivative."""

    def integrand(u: float) -> float:
        t = mean + scale * u
        return norm_density(u) * u**power * (expit(t) if derivative else np.logaddexp(0, t))

    bends = [(t - mean) / scale for t in (-30, -10, -3, 0, 3, 10, 30)]
    edges = sorted({u for u in bends if abs(u) < 11} | {-11.0, -4.0, 0.0, 4.0, 11.0})
    return sum(quad(integrand, *pair, epsabs=1e-14, epsrel=1e-12)[0] for pair in itertools.pairwise(edges))


def norm_density(u: float) -> float:
    return math.exp(-u * u / 2) / math.sqrt(2 * math.pi)


@pytest.mark.parametrize("scale", SCALES)
def test_quadrature_and_its_derivatives(scale: float) -> None:
    mean = torch.tensor(MEANS, dtype=torch.float64, requires_grad=True)
    deviation = torch.full_like(mean, scale).requires_grad_()
    value = expected_softplus(mean, deviation**2)
    by_mean, by_deviation = torch.autograd.grad(value.sum(), (mean, deviation))
    for index, mean in enumerate(MEANS):
        assert value[index].item() == pytest.approx(integral(mean, scale), abs=1e-11)
        assert by_mean[index].item() == pytest.approx(integral(mean, scale, derivative=True), abs=1e-11)
        assert by_deviation[index].item() == pytest.approx(integral(mean, scale, 1, derivative=True), abs=1e-11)


@pytest.mark.parametrize("log_scale", [-6.0, -1.0, 0.0, 2.3])
def test_elbo_of_all_rows_for_narrow_and_wide_q(log_scale: float) -> None:
    """At 2.3 the largest standard deviation of a logit is about 200."""
    problem = BayesianLogisticRegression()
    draw = np.random.default_rng(0)
    loc, scale = draw.standard_normal(31), np.exp(log_scale + 0.1 * draw.standard_normal(31))
    params = {"loc": torch.from_numpy(loc), "log_scale": torch.from_numpy(np.log(scale))}
    signed = problem.observations(params).numpy()
    margins, deviations = signed @ loc, np.sqrt(signed**2 @ scale**2)
    expected = sum(integral(-m, s) for m, s in zip(margins[::7], deviations[::7], strict=True))
    found = expected_softplus(-torch.from_numpy(margins[::7]), torch.from_numpy(deviations[::7] ** 2)).sum()
    assert found.item() == pytest.approx(expected, abs=1e-9)
    divergence = (scale**2 + loc**2 - 1 - 2 * np.log(scale)).sum() / 2
    whole = expected_softplus(-torch.from_numpy(margins), torch.from_numpy(deviations**2)).sum()
    assert problem.exact(params).item() == pytest.approx(whole.item() + divergence, rel=1e-13)


def test_rows_are_the_standardised_features_with_the_sign_of_the_label() -> None:
    features, target = load_breast_cancer(return_X_y=True)
    expected = np.hstack([StandardScaler().fit_transform(features), np.ones((569, 1))]) * (2 * target - 1)[:, None]
    problem = BayesianLogisticRegression()
    found = problem.data_rows(torch.float64, torch.device("cpu"))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10, atol=1e-12)
    assert problem.num_rows == len(found)
    assert problem.footprint == 569


def test_cost_is_that_of_plain_numpy() -> None:
    problem, draw = BayesianLogisticRegression(), np.random.default_rng(0)
    params: Params = {"loc": torch.from_numpy(draw.standard_normal(31)), "log_scale": torch.full((31,), -0.5).double()}
    z = draw.standard_normal((3, 31))
    features, target = load_breast_cancer(return_X_y=True)
    logits = np.hstack([StandardScaler().fit_transform(features), np.ones((569, 1))]) @ z.T
    prob = expit(np.where(target[:, None] == 1, logits, -logits))
    log_q = norm.logpdf(z, params["loc"].numpy(), math.exp(-0.5)).sum(1)
    expected = log_q - norm.logpdf(z).sum(1) - np.log(prob).sum(0)
    found = problem.cost(params, torch.from_numpy(z), problem.distribution(params))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_at_zero_the_likelihood_is_that_of_fair_coins() -> None:
    problem = BayesianLogisticRegression()
    params = problem.init()
    assert problem.log_likelihood(params, torch.zeros(31).double()).item() == pytest.approx(-569 * math.log(2))
    assert {name: value.tolist() for name, value in params.items()} == {"loc": [0.0] * 31, "log_scale": [0.0] * 31}


def test_optimum_of_the_mean_field_family() -> None:
    """−67.4634 nats, found from zero and, tilted, from a second start."""
    problem = BayesianLogisticRegression()
    for start in (0.0, -1.0):
        params = {name: (value + start).requires_grad_() for name, value in problem.init().items()}
        search = torch.optim.LBFGS(
            params.values(), max_iter=500, tolerance_grad=1e-8, tolerance_change=0, line_search_fn="strong_wolfe"
        )

        def loss(params: Params = params, search: torch.optim.LBFGS = search) -> torch.Tensor:
            search.zero_grad()
            value = problem.exact(params)
            value.backward()
            return value

        search.step(loss)  # type: ignore[arg-type]  # it is a closure that gives a loss
        assert -problem.exact(params).item() == pytest.approx(-67.4633672, abs=1e-6)


@pytest.mark.parametrize("name", ["digits", "breast_cance"])
def test_other_data_are_refused(name: str) -> None:
    with pytest.raises((ValueError, BadInput), match="breast_cancer"):
        BayesianLogisticRegression(data=name)
