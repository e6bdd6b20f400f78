"""The Gamma and Dirichlet posteriors: bound, evidence and posterior against quadrature, and against each other."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from gradmark.benchmarks.problems import DirichletPosterior, GammaPosterior
from gradmark.estimators.core import LatentVariableModel, Params

GAMMA = GammaPosterior(counts=(2, 5, 0), concentration=0.7, rate=0.4)
BETA = DirichletPosterior(counts=(3, 1), concentration=0.8)
THREE = DirichletPosterior(counts=(3, 0, 2))
MODELS = [GAMMA, BETA, THREE, GammaPosterior(), DirichletPosterior()]
every = pytest.mark.parametrize("problem", MODELS, ids=str)


def moved(problem: LatentVariableModel) -> Params:
    return {name: value + 0.4 * torch.cos(torch.arange(len(value))) for name, value in problem.init().items()}


def integral(function: Callable[[float], float], upper: float) -> float:
    return integrate.quad(function, 0, upper, limit=200, epsabs=1e-12, epsrel=1e-11)[0]


def gamma_joint(z: float) -> float:
    prior = float(stats.gamma.logpdf(z, GAMMA.concentration, scale=1 / GAMMA.rate))
    return prior + sum(count * math.log(z) - z - math.lgamma(count + 1) for count in GAMMA.counts)


def beta_joint(z: float) -> float:
    prior = float(stats.beta.logpdf(z, BETA.concentration, BETA.concentration))
    return prior + 3 * math.log(z) + math.log1p(-z)


def test_gamma_against_quadrature() -> None:
    params = moved(GAMMA)
    shape, rate = (params[name].exp().item() for name in ("log_concentration", "log_rate"))

    def log_q(z: float) -> float:
        return float(stats.gamma.logpdf(z, shape, scale=1 / rate))

    bound = integral(lambda z: math.exp(log_q(z)) * (log_q(z) - gamma_joint(z)), np.inf)
    assert GAMMA.exact(params).item() == pytest.approx(bound, rel=1e-8)
    evidence = integral(lambda z: math.exp(gamma_joint(z)), np.inf)
    assert GAMMA.log_evidence(params).item() == pytest.approx(math.log(evidence), rel=1e-9)


def test_beta_against_quadrature() -> None:
    params = moved(BETA)
    first, second = params["log_concentration"].exp().tolist()

    def log_q(z: float) -> float:
        return float(stats.beta.logpdf(z, first, second))

    bound = integral(lambda z: math.exp(log_q(z)) * (log_q(z) - beta_joint(z)), 1)
    assert BETA.exact(params).item() == pytest.approx(bound, rel=1e-8)
    evidence = integral(lambda z: math.exp(beta_joint(z)), 1)
    assert BETA.log_evidence(params).item() == pytest.approx(math.log(evidence), rel=1e-9)


def test_three_categories_one_after_the_other() -> None:
    """The evidence as the product of Pólya's urn: each observation given those before."""
    seen, expected = [1.5, 1.5, 1.5], 0.0
    for category in (0, 0, 0, 2, 2):
        expected += math.log(seen[category] / sum(seen))
        seen[category] += 1
    assert THREE.log_evidence(THREE.init()).item() == pytest.approx(expected, rel=1e-12)


@every
def test_bayes_rule_holds_at_every_z(problem: LatentVariableModel) -> None:
    """log p(z|x) = log p(x, z) − log p(x), also for a part of the rows that stands for all."""
    for view in (problem, problem.select(torch.tensor([0, 2]))):
        params = moved(problem)
        posterior, evidence = view.posterior(params), view.log_evidence(params)
        assert posterior is not None
        assert evidence is not None
        torch.manual_seed(0)
        z = posterior.sample((50,))
        torch.testing.assert_close(posterior.log_prob(z), view.log_joint(params, z) - evidence, rtol=1e-11, atol=1e-11)


@every
def test_bound_is_tight_at_the_posterior_and_nowhere_else(problem: GammaPosterior | DirichletPosterior) -> None:
    at = {name: value.requires_grad_() for name, value in problem.true_parameters().items()}
    exact, evidence = problem.exact(at), problem.log_evidence(at)
    assert exact.item() == pytest.approx(-evidence.item(), rel=1e-12)
    for gradient in torch.autograd.grad(exact, list(at.values())):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-12)
    assert problem.exact(moved(problem)).item() > -evidence.item() + 1e-3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GammaPosterior(counts=()), r"GammaPosterior\(counts=.*use \(2, 0, 1\)"),
        (lambda: GammaPosterior(counts=(1, -1)), "none negative"),
        (lambda: GammaPosterior(rate=0.0), r"GammaPosterior\(rate=0.0\).*use 1.0"),
        (lambda: GammaPosterior(concentration=-1.0), "it is positive"),
        (lambda: DirichletPosterior(counts=(3,)), r"two categories or more.*use \(3, 1, 2\)"),
        (lambda: DirichletPosterior(counts=(0, 0)), "one of them seen"),
        (lambda: DirichletPosterior(concentration=0.0), "it is positive"),
    ],
)
def test_impossible_fields_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
