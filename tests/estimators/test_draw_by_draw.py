"""Identities that hold for every single draw, up to rounding or to the bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gradmark.benchmarks.measurement.block import lifted, seeded
from gradmark.benchmarks.problems import BernoulliToy, BernoulliVAE, GaussianToy, LinearGaussian
from gradmark.benchmarks.quadrature.replay import Recorded
from gradmark.estimators import (
    LeaveOneOut,
    MovingAverageBaseline,
    Reparameterization,
    ReparameterizationAnalyticKL,
    ScoreFunction,
    VarGrad,
)
from gradmark.estimators.core import Estimate, Estimator, LatentVariableModel, Params, Problem, State

PROBLEMS = [GaussianToy(k=0.5, scale=0.6), BernoulliToy((0.3, 0.8)), LinearGaussian(latents=2, observed=3, rows=4)]
SEED, REPLICATES = 5, 16
each_problem = pytest.mark.parametrize("problem", PROBLEMS, ids=str)


def one(problem: Problem, estimator: Estimator, draws: int, state: State = None, seed: int = SEED) -> Estimate:
    params = lifted(problem.init(), REPLICATES)
    with seeded(seed, torch.device("cpu")):
        state = estimator.init(problem, params) if state is None else state
        return estimator.estimate(problem, params, state, draws)


def costs_and_score(problem: Problem, params: Params, draws: int, seed: int) -> tuple[Tensor, Params]:
    """The cost of each draw that the seed gives, and the gradient of the mean of log q over draws, by rows."""
    with seeded(seed, torch.device("cpu")):
        leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
        q = problem.distribution(leaves)
        z = q.sample((draws,))
        score = torch.autograd.grad(
            q.log_prob(z).mean(0).sum(), list(leaves.values()), materialize_grads=True, allow_unused=True
        )
        return problem.cost(params, z, q).detach(), dict(zip(leaves, score, strict=True))


@each_problem
@pytest.mark.parametrize("draws", [1, 3])
def test_cold_moving_average_is_the_score_function(problem: Problem, draws: int) -> None:
    plain, cold = one(problem, ScoreFunction(), draws), one(problem, MovingAverageBaseline(), draws)
    for name, value in plain.gradient.items():
        assert torch.equal(value, cold.gradient[name])


@each_problem
@pytest.mark.parametrize("decay", [0.0, 0.6, 0.9])
def test_moving_average_subtracts_the_old_average(problem: Problem, decay: float) -> None:
    """Two steps by hand: the second subtracts the mean cost of the first, and of nothing else."""
    estimator, params = MovingAverageBaseline(decay), lifted(problem.init(), REPLICATES)
    first = one(problem, estimator, 3)
    found = one(problem, estimator, 3, first.state, seed=6)
    earlier, _ = costs_and_score(problem, params, 3, SEED)
    _, score = costs_and_score(problem, params, 3, 6)
    average = earlier.mean(0).reshape(REPLICATES, -1).mean(-1)
    plain = one(problem, ScoreFunction(), 3, seed=6)
    for name, value in plain.gradient.items():
        expected = value - average.view(-1, *[1] * (value.dim() - 1)) * score[name]
        torch.testing.assert_close(found.gradient[name], expected, rtol=1e-9, atol=1e-9)


def test_moving_average_weighs_earlier_estimates_less() -> None:
    """After costs c₁, c₂ the average is (decay (1 − decay) c₁ + (1 − decay) c₂)/(1 − decay²)."""
    problem, estimator = PROBLEMS[0], MovingAverageBaseline(0.6)
    state = one(problem, estimator, 2, one(problem, estimator, 2).state, seed=6).state
    params = lifted(problem.init(), REPLICATES)
    first, second = (costs_and_score(problem, params, 2, seed)[0].mean(0) for seed in (SEED, 6))
    torch.testing.assert_close(state["average"] / state["weight"], (0.24 * first + 0.4 * second) / (1 - 0.36))
    torch.testing.assert_close(state["weight"], torch.full((REPLICATES,), 1 - 0.36, dtype=torch.float64))


@each_problem
def test_two_draws_leave_half_their_difference(problem: Problem) -> None:
    """LeaveOneOut with K = 2 is half (f₁ − f₂)(s₁ − s₂), and the cost's own gradient."""
    params = lifted(problem.init(), REPLICATES)
    with seeded(SEED, torch.device("cpu")):
        z = problem.distribution(params).sample((2,))
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    held = problem.distribution(params)
    cost = problem.cost(leaves, z, held)
    log_q = problem.distribution(leaves).log_prob(z)
    loss = (cost[0] - cost[1]).detach() * (log_q[0] - log_q[1]) / 2 + cost.mean(0)
    expected = torch.autograd.grad(loss.sum(), list(leaves.values()), materialize_grads=True, allow_unused=True)
    found = one(problem, LeaveOneOut(), 2).gradient
    for name, value in zip(leaves, expected, strict=True):
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("draws", [2, 5])
@pytest.mark.parametrize("problem", [PROBLEMS[2], BernoulliVAE(latents=2, rows=3)], ids=str)
@pytest.mark.parametrize("rows", [None, [0, 2]], ids=str)
def test_half_the_variance_is_leave_one_out(problem: LatentVariableModel, draws: int, rows: list[int] | None) -> None:
    """For the model's parameters too, and for rows that stand for more."""
    seen = problem if rows is None else problem.select(torch.tensor(rows).expand(REPLICATES, -1))
    expected, found = one(seen, LeaveOneOut(), draws).gradient, one(seen, VarGrad(), draws).gradient
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-9)


def test_monte_carlo_kl_differs_by_the_cross_entropy_of_the_prior() -> None:
    """z²/2 against its mean: s·e for mu, and (mu + s·e)s·e − s² for log s, with the entropy's noise nowhere."""
    problem = LinearGaussian(latents=1, observed=2, rows=1)
    params = lifted(problem.init(), REPLICATES)
    with Recorded() as recorded:
        sampled = one(problem, Reparameterization(), 1).gradient
    analytic = one(problem, ReparameterizationAnalyticKL(), 1).gradient
    e = recorded.draws[0][1].reshape(REPLICATES, 1)
    q = problem.distribution(params)
    mu, s = q.mean.reshape(REPLICATES, 1), q.stddev.reshape(REPLICATES, 1)
    expected = {name: torch.zeros_like(value) for name, value in params.items()}
    expected |= {"encoder_bias": s * e, "log_scale": (mu + s * e) * s * e - s**2}
    expected["encoder_weight"] = (s * e).unsqueeze(-1) * problem.observations(params)
    for name, value in expected.items():
        torch.testing.assert_close(sampled[name] - analytic[name], value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("decay", [1.0, -0.1, 1.5])
def test_impossible_decay_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=r"MovingAverageBaseline\(decay=.*try 0.9"):
        MovingAverageBaseline(decay)
