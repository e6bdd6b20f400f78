"""Implicit reparameterization against quadrature over quantiles, and against the explicit one where both exist.

torch's derivative of a Gamma, Beta or Dirichlet draw is off by about 3e-5 in the mean (2e-4 at worst seen), so that
means are compared with a tolerance of 5e-4 (1 + |g|) on top of what chance allows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import special, stats

from gradmark.benchmarks.problems import BernoulliToy, DirichletPosterior, GammaPosterior, GaussianToy, StepToy
from gradmark.estimators import ImplicitReparameterization, Reparameterization, StickingTheLanding
from gradmark.estimators.core import Estimator, Params, Problem
from tests.estimators.agreement import assert_mean, assert_variance, measured

Array = np.ndarray
TOLERANCE = 5e-4
FEWER = 2**17


def through(below: Callable[[float], Array], above: Callable[[float], Array], at: float, density: Array) -> Array:
    """−∂F/∂at / density by central differences, from the smaller of F and 1 − F, so that little is lost."""
    step = 1e-4 * at
    rise = (below(at + step) - below(at - step)) / (2 * step)
    fall = (above(at + step) - above(at - step)) / (2 * step)
    return np.where(below(at) < 0.5, -rise, fall) / density


def gamma_draws(problem: GammaPosterior, a: float, b: float, held: bool) -> tuple[Array, Array]:
    """Weights, and the gradient `[2, nodes]` in log a and log b of a draw at each node; `held`: none through log q."""
    lowest, highest = float(stats.gamma.ppf(1e-20, a)), float(stats.gamma.isf(1e-20, a))
    y = np.linspace(np.log(lowest), np.log(highest), 20001)  # z b = exp(y)
    z = np.exp(y) / b
    density = stats.gamma.pdf(z, a, scale=1 / b)
    weight = density * z * (y[1] - y[0])
    more, longer = problem.concentration + sum(problem.counts), problem.rate + len(problem.counts)
    slope = (a - more) / z - (b - longer)
    by_a = through(lambda at: special.gammainc(at, b * z), lambda at: special.gammaincc(at, b * z), a, density)
    score = np.stack([np.log(b * z) - special.digamma(a), a / b - z])
    path = slope * np.stack([by_a, -z / b])
    return weight, np.array([[a], [b]]) * (path if held else path + score)


def beta_draws(problem: DirichletPosterior, a: float, b: float, held: bool) -> tuple[Array, Array]:
    """The same for two categories, in log a and log b."""
    y = np.linspace(-45.0, 45.0, 20001)  # x = sigmoid(y)
    x, rest = special.expit(y), special.expit(-y)
    density = np.exp(special.xlogy(a - 1, x) + special.xlogy(b - 1, rest) - special.betaln(a, b))
    weight = density * x * rest * (y[1] - y[0])
    more = np.array(problem.counts) + problem.concentration
    slope = (a - more[0]) / x - (b - more[1]) / rest
    by_a = through(lambda at: special.betainc(at, b, x), lambda at: special.betainc(b, at, rest), a, density)
    by_b = through(lambda at: special.betainc(a, at, x), lambda at: special.betainc(at, a, rest), b, density)
    both = special.digamma(a + b)
    score = np.stack([np.log(x) - special.digamma(a) + both, np.log(rest) - special.digamma(b) + both])
    path = slope * np.stack([by_a, by_b])
    return weight, np.array([[a], [b]]) * (path if held else path + score)


def moments_of(weight: Array, gradient: Array) -> tuple[Array, Array]:
    assert weight.sum() == pytest.approx(1.0, abs=1e-10)
    mean = gradient @ weight
    return mean, (gradient - mean[:, None]) ** 2 @ weight


def exact_gradient(problem: Problem, params: Params) -> Array:
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    exact = problem.exact(leaves)
    assert exact is not None
    return torch.cat(torch.autograd.grad(exact.sum(), list(leaves.values()))).numpy()


METHODS = [(ImplicitReparameterization(), False), (StickingTheLanding(), True)]


@pytest.mark.parametrize(("estimator", "held"), METHODS, ids=["whole", "landing"])
@pytest.mark.parametrize(("a", "b"), [(3.0, 1.5), (1.6, 0.5), (20.0, 9.0)])
def test_gamma(estimator: Estimator, held: bool, a: float, b: float) -> None:
    problem = GammaPosterior(counts=(2, 0, 1, 4))
    params = {"log_concentration": torch.tensor([a]).double().log(), "log_rate": torch.tensor([b]).double().log()}
    mean, variance = moments_of(*gamma_draws(problem, a, b, held))
    np.testing.assert_allclose(mean, exact_gradient(problem, params), rtol=1e-5, atol=1e-5)
    moments = measured(problem, estimator, replicates=FEWER, params=params)
    for index in range(2):
        assert_mean(moments, index, mean[index], variance[index], TOLERANCE * (1 + abs(mean[index])))
        assert_variance(moments, 1 + index, variance[index])


@pytest.mark.parametrize(("estimator", "held"), METHODS, ids=["whole", "landing"])
@pytest.mark.parametrize(("a", "b"), [(2.2, 3.0), (6.0, 1.8)])
def test_beta(estimator: Estimator, held: bool, a: float, b: float) -> None:
    problem = DirichletPosterior(counts=(4, 2), concentration=0.9)
    params = {"log_concentration": torch.tensor([a, b]).double().log()}
    mean, variance = moments_of(*beta_draws(problem, a, b, held))
    np.testing.assert_allclose(mean, exact_gradient(problem, params), rtol=1e-5, atol=1e-5)
    moments = measured(problem, estimator, replicates=FEWER, params=params)
    for index in range(2):
        assert_mean(moments, index, mean[index], variance[index], TOLERANCE * (1 + abs(mean[index])))
    assert_variance(moments, 1, variance.sum())


def test_where_there_is_an_explicit_function_both_are_one() -> None:
    """−∂F/∂params / q(z) of a Gaussian is dz/d params of loc + scale ε."""
    torch.manual_seed(0)
    loc, log_scale = torch.tensor(0.4, requires_grad=True).double(), torch.tensor(-0.3, requires_grad=True).double()
    for _ in range(20):
        z = torch.distributions.Normal(loc, log_scale.exp()).rsample()
        explicit = torch.autograd.grad(z, [loc, log_scale], retain_graph=True)
        q = torch.distributions.Normal(loc, log_scale.exp())
        slopes = torch.autograd.grad(q.cdf(z.detach()), [loc, log_scale])
        for slope, expected in zip(slopes, explicit, strict=True):
            assert (-slope / q.log_prob(z).exp()).item() == pytest.approx(expected.item(), rel=1e-6)


def test_each_names_the_other() -> None:
    refusal = Reparameterization().refuses(GammaPosterior(), 1)
    assert refusal is not None
    assert refusal.endswith("use ImplicitReparameterization()")
    assert Reparameterization().refuses(DirichletPosterior(), 1)
    refusal = ImplicitReparameterization().refuses(GaussianToy(), 1)
    assert refusal is not None
    assert refusal.endswith("use Reparameterization()")
    for problem in (BernoulliToy(), StepToy()):
        refusal = ImplicitReparameterization().refuses(problem, 1)
        assert refusal is not None
        assert "LeaveOneOut()" in refusal
    assert ImplicitReparameterization().refuses(GammaPosterior(), 1) is None
