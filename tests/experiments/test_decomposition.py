"""log p(x) = KL(q ‖ p(z|x)) + L(q) for random q of every kind, each term by itself; and it can fail."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Training
from gradmark.benchmarks.experiments import Decomposition
from gradmark.benchmarks.problems import (
    BernoulliVAE,
    CategoricalMixture,
    DirichletPosterior,
    GammaPosterior,
    GaussianMixture,
    HiddenMarkovModel,
    LinearGaussian,
    NonlinearFixedPriorBernoulliVAE,
)
from gradmark.benchmarks.training import convergence
from gradmark.benchmarks.training.evidence import decompose, divergence
from gradmark.estimators.core import Enumerated, LatentVariableModel, Params, Problem

MOST = 64  # units of rounding: eps (1 + |log p| + KL + |L|)
SEEDS = st.integers(0, 2**31)


def random_params(problem: Problem, seed: int, spread: float, replicates: tuple[int, ...] = ()) -> Params:
    noise = torch.Generator().manual_seed(seed)
    return {
        name: value + spread * torch.randn(*replicates, *value.shape, generator=noise, dtype=torch.float64)
        for name, value in problem.init().items()
    }


PROBLEMS = [
    LinearGaussian(rows=5),
    LinearGaussian(latents=3, observed=2, rows=4, noise=0.2),
    GammaPosterior(),
    DirichletPosterior(),
    GaussianMixture(rows=5),
    CategoricalMixture(rows=5),
    HiddenMarkovModel(rows=4, steps=5),
    BernoulliVAE(latents=3, rows=4),
    NonlinearFixedPriorBernoulliVAE(latents=2, rows=3, hidden=4),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
@settings(deadline=None, max_examples=25, derandomize=True)
@given(seed=SEEDS, spread=st.floats(0, 1))
def test_any_q_of_the_family(problem: Problem, seed: int, spread: float) -> None:
    split = decompose(problem, random_params(problem, seed, spread, (2,)))
    assert split is not None
    assert (split.divergence >= -MOST * split.rounding).all()
    assert (split.residual.abs() <= MOST * split.rounding).all()


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seed=SEEDS, sharpness=st.floats(0, 50))
def test_any_categorical_q_over_the_states(seed: int, sharpness: float) -> None:
    """A q that no factorised family holds, up to nearly certain of one state."""
    problem = BernoulliVAE(latents=4, rows=3)
    params = random_params(problem, seed, 0.5)
    posterior = problem.posterior(params)
    assert posterior is not None
    logits = torch.randn(posterior.logits.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    split = decompose(problem, params, Enumerated(posterior.states, sharpness * logits))
    assert split is not None
    assert (split.residual.abs() <= MOST * split.rounding).all()


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seed=SEEDS)
def test_any_gaussian_q_with_a_full_covariance(seed: int) -> None:
    """The bound in closed form, written here: E log p(x, z) of a quadratic, plus the entropy."""
    problem = LinearGaussian(rows=4)
    noise = torch.Generator().manual_seed(seed)
    params = random_params(problem, seed, 0.5)
    scale = torch.randn(4, 2, 2, generator=noise, dtype=torch.float64).tril(-1) + torch.eye(2, dtype=torch.float64)
    q = MultivariateNormal(torch.randn(4, 2, generator=noise, dtype=torch.float64), scale_tril=scale)
    weight, variance = params["weight"], (2 * params["log_noise"]).exp()
    spread = ((weight.mT @ weight / variance + torch.eye(2)) * q.covariance_matrix).sum((-2, -1)) / 2
    bound = problem.log_joint(params, q.mean) - spread + q.entropy()
    gap, evidence = divergence(q, problem.posterior(params)), problem.log_evidence(params)
    size = 1 + evidence.abs() + gap + bound.abs()
    assert ((evidence - gap - bound).abs() <= MOST * torch.finfo(torch.float64).eps * size).all()


def test_q_is_the_posterior() -> None:
    """The bound is log p(x), and the gap zero: to rounding, and exactly where q is the same table."""
    problem = BernoulliVAE(latents=4, rows=3)
    params = random_params(problem, 0, 0.5)
    posterior = problem.posterior(params)
    split = decompose(problem, params, posterior)
    assert split is not None
    assert (split.divergence == 0).all()
    assert ((split.bound - split.log_evidence).abs() <= MOST * split.rounding).all()
    linear = LinearGaussian(latents=1)
    split = decompose(linear, linear.true_parameters())
    assert split is not None
    assert (split.divergence.abs() <= MOST * split.rounding).all()
    assert ((split.bound - split.log_evidence).abs() <= MOST * split.rounding).all()


def test_the_posterior_is_bayes_rule_state_by_state() -> None:
    problem = BernoulliVAE(latents=3, rows=4)
    params = random_params(problem, 1, 0.5, (2,))
    posterior, evidence = problem.posterior(params), problem.log_evidence(params)
    assert posterior is not None
    assert evidence is not None
    assert posterior.batch_shape == (2, 4)
    z = posterior.sample((6,))
    expected = problem.log_joint(params, z) - evidence
    torch.testing.assert_close(posterior.log_prob(z), expected, rtol=1e-12, atol=1e-12)
    assert BernoulliVAE(latents=13, rows=4).posterior(BernoulliVAE(latents=13, rows=4).init()) is None


class OffByOne(LinearGaussian):
    """Log p(x) with the constant of one coordinate forgotten: what a wrong evidence looks like."""

    def log_evidence(self, params: Params) -> torch.Tensor:
        return super().log_evidence(params) + 0.5 * math.log(2 * math.pi)


def test_a_wrong_evidence_is_seen() -> None:
    problem = OffByOne(rows=4)
    split = decompose(problem, random_params(problem, 0, 0.3))
    assert split is not None
    assert (split.residual.abs() > 1e6 * MOST * split.rounding).all()


def test_a_training_run_carries_the_split() -> None:
    for problem in ("LinearGaussian(rows=8)", "BernoulliVAE(latents=2, rows=4)"):
        data = convergence.train(Training(problem, "Adam(LeaveOneOut(), num_samples=2)", 4, 4, 3))
        for objective, evidence, gap in zip(data["objective"], data["evidence"], data["divergence"], strict=True):
            assert evidence == pytest.approx([g - o for g, o in zip(gap, objective, strict=True)], rel=1e-12)
    blind = convergence.train(Training("GaussianToy()", "Adam(LeaveOneOut(), num_samples=2)", 4, 4, 3))
    assert blind["divergence"] is None


def test_the_experiment_and_its_refusal() -> None:
    found = Decomposition(BernoulliVAE(latents=2, rows=3), draws=3).run(0)["draws"]
    assert len(found) == 6
    assert all(row["residual_over_rounding"] <= MOST for row in found)
    assert "use LinearGaussian()" in (Decomposition(specs.problem("GaussianVAE(rows=2)")).refuses() or "")
    assert isinstance(Decomposition().problem, LatentVariableModel)
