"""Importance-weighted bounds of several draws: against sums over all tuples, their order, rows that stand for all."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from gradmark.benchmarks.problems import (
    BernoulliVAE,
    GaussianToy,
    GaussianVAE,
    LinearGaussian,
    NonlinearFixedPriorBernoulliVAE,
    SigmoidBeliefNetwork,
)
from gradmark.benchmarks.problems.enumeration import importance_weighted_bound
from gradmark.estimators.core import MINUS_IMPORTANCE_WEIGHTED_BOUND, LatentVariableModel, Params
from tests.problems.test_every_problem import perturbed

PROBLEMS = [
    LinearGaussian(latents=1, observed=2, rows=4),
    LinearGaussian(latents=1, observed=3, rows=2, noise=0.2),
    BernoulliVAE(latents=2, rows=4),
    NonlinearFixedPriorBernoulliVAE(latents=3, hidden=2, rows=2),
    SigmoidBeliefNetwork(lower=2, upper=2, rows=4),
]
each_problem = pytest.mark.parametrize("problem", PROBLEMS, ids=str)


def bound(problem: LatentVariableModel, params: Params, draws: int) -> torch.Tensor:
    found = problem.exact_bound(params, draws)
    assert found is not None
    return found


@pytest.mark.parametrize("draws", [1, 2, 3, 4])
@pytest.mark.parametrize("spread", [0.1, 3.0, 40.0])
def test_the_integral_is_the_sum_over_all_tuples(spread: float, draws: int) -> None:
    """Value and gradient, with states that are all but impossible among them."""
    chance = np.random.default_rng(3)
    logits = torch.from_numpy(chance.normal(scale=5.0, size=5)).requires_grad_()
    log_weight = torch.from_numpy(chance.normal(50.0, spread, size=5)).requires_grad_()
    found = importance_weighted_bound(logits.log_softmax(-1), log_weight, draws)
    tuples = torch.tensor(list(itertools.product(range(5), repeat=draws)))
    prob = logits.log_softmax(-1)[tuples].sum(-1).exp()
    expected = (prob * (log_weight[tuples].logsumexp(-1) - math.log(draws))).sum()
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(each, [logits, log_weight]) for each in (found, expected)]
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("problem", PROBLEMS[2:4], ids=str)
def test_bits_against_a_loop(problem: BernoulliVAE) -> None:
    """log w from the cost of each state, and its probability from q."""
    params = perturbed(problem, ())
    q = problem.distribution(params)
    states = torch.tensor(list(itertools.product((0.0, 1.0), repeat=problem.latents)), dtype=torch.float64)
    z = states.unsqueeze(1).expand(-1, problem.rows or 0, -1)
    log_w, prob = -problem.cost(params, z, q).numpy(), q.log_prob(z).exp().numpy()
    pairs = list(itertools.product(range(len(states)), repeat=2))
    expected = sum(prob[i] * prob[j] * (np.logaddexp(log_w[i], log_w[j]) - math.log(2)) for i, j in pairs)
    np.testing.assert_allclose(bound(problem, params, 2).numpy(), expected, rtol=1e-11)


@pytest.mark.parametrize("problem", PROBLEMS[:2], ids=str)
def test_one_gaussian_against_a_product_grid(problem: LinearGaussian) -> None:
    """log w from the density of the Gaussians, on a grid of another kind in two dimensions."""
    params = perturbed(problem, ())
    q = problem.distribution(params)
    nodes = 601
    e = torch.linspace(-8.5, 8.5, nodes, dtype=torch.float64).view(-1, 1, 1)
    log_w = -problem.cost(params, q.mean + q.stddev * e, q).numpy()
    weight = np.exp(-(e.numpy().ravel() ** 2) / 2)
    weight /= weight.sum()
    for row, answer in enumerate(bound(problem, params, 2).tolist()):
        both = np.logaddexp.outer(log_w[:, row], log_w[:, row]) - math.log(2)
        assert answer == pytest.approx(float(weight @ both @ weight), rel=1e-9)


@each_problem
def test_more_draws_are_closer_to_the_evidence(problem: LatentVariableModel) -> None:
    params = perturbed(problem, (2,))
    exact, evidence = problem.exact(params), problem.log_evidence(params)
    assert exact is not None
    assert evidence is not None
    bounds = [bound(problem, params, draws) for draws in (1, 2, 3, 10, 1000)]
    torch.testing.assert_close(bounds[0], -exact, rtol=1e-10, atol=1e-10)
    for lower, higher in itertools.pairwise([*bounds, evidence]):
        assert (lower < higher).all()
    assert ((evidence - bounds[-1]) < 0.05 * (evidence - bounds[0])).all()


@each_problem
def test_gradient_is_that_of_differences(problem: LatentVariableModel) -> None:
    params = {name: value.requires_grad_() for name, value in perturbed(problem, ()).items()}
    found = torch.autograd.grad(bound(problem, params, 3).sum(), list(params.values()))
    for (name, value), gradient in zip(params.items(), found, strict=True):
        direction = torch.cos(1.0 + torch.arange(value.numel(), dtype=value.dtype)).view(value.shape)
        moved = [{**params, name: value.detach() + sign * 1e-4 * direction} for sign in (1, -1)]
        sides = [bound(problem, each, 3).sum().item() for each in moved]
        assert (gradient * direction).sum().item() == pytest.approx((sides[0] - sides[1]) / 2e-4, rel=1e-5, abs=1e-6)


@each_problem
def test_selected_rows_have_their_weight(problem: LatentVariableModel) -> None:
    params = perturbed(problem, ())
    whole, part = bound(problem, params, 3), bound(problem.select(torch.tensor([1])), params, 3)
    torch.testing.assert_close(part, whole[1:2] * problem.num_rows, rtol=1e-12, atol=0)


def test_bounds_that_are_not_known() -> None:
    beyond = (BernoulliVAE(latents=9, rows=2), SigmoidBeliefNetwork(lower=5, upper=4, rows=2))
    for problem in (LinearGaussian(latents=2, rows=2), GaussianVAE(rows=2), *beyond):
        assert MINUS_IMPORTANCE_WEIGHTED_BOUND.exact(problem, problem.init(), 2) is None
    linear = LinearGaussian(latents=2, rows=2)
    of_one = MINUS_IMPORTANCE_WEIGHTED_BOUND.exact(linear, linear.init(), 1)
    assert of_one is not None
    assert torch.equal(of_one, linear.exact(linear.init()))
    assert MINUS_IMPORTANCE_WEIGHTED_BOUND.exact(GaussianToy(), GaussianToy().init(), 2) is None
