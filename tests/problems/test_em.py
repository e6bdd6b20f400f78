"""EM: log p(x) never falls, a step is where the expected log joint is stationary, scikit-learn agrees.

The increments are judged in units of 64 eps (1 + |log p(x)|).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Witness

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Training
from gradmark.benchmarks.measurement.block import lifted
from gradmark.benchmarks.problems import CategoricalMixture, GaussianMixture, HiddenMarkovModel, LinearGaussian
from gradmark.benchmarks.training import convergence
from gradmark.benchmarks.training.evidence import decompose
from gradmark.benchmarks.training.solvers import EM, Maximises
from gradmark.estimators import ExactMarginalLikelihood
from gradmark.estimators.core import Enumerated, LatentVariableModel, Params, gradient_of_sum

EPS = torch.finfo(torch.float64).eps
PROBLEMS: list[LatentVariableModel] = [
    LinearGaussian(),
    LinearGaussian(latents=1, observed=3, rows=12),
    GaussianMixture(),
    GaussianMixture(components=2, observed=4, rows=50, seed=3),
    CategoricalMixture(),
    CategoricalMixture(components=2, views=3, categories=3, rows=40, seed=1),
    HiddenMarkovModel(),
    HiddenMarkovModel(states=3, steps=4, rows=30, seed=2),
]
TABLES = [problem for problem in PROBLEMS if problem.num_states is not None]


def moved(problem: LatentVariableModel, replicates: int, spread: float = 0.1) -> Params:
    noise = torch.Generator().manual_seed(5)
    start = lifted(problem.init(), replicates)
    return {n: v + spread * torch.randn(v.shape, generator=noise, dtype=torch.float64) for n, v in start.items()}


def evidence(problem: LatentVariableModel, params: Params) -> torch.Tensor:
    found = problem.log_evidence(params)
    assert found is not None
    return found.sum(-1)


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_log_p_never_falls(problem: LatentVariableModel) -> None:
    params, solver = moved(problem, 3), EM()
    assert solver.refuses(problem) is None
    before = first = evidence(problem, params)
    for _ in range(60):
        params, _ = solver.step(problem, params, ())
        after = evidence(problem, params)
        assert (after - before >= -64 * EPS * (1 + after.abs())).all()
        before = after
    assert (before > first + 1).all()


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_replicates_are_a_loop(problem: LatentVariableModel) -> None:
    assert isinstance(problem, Maximises)
    params = moved(problem, 3)
    found = problem.maximise(params)
    for replicate in range(3):
        alone = problem.maximise({name: value[replicate] for name, value in params.items()})
        for name, value in alone.items():
            torch.testing.assert_close(found[name][replicate], value, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("problem", TABLES, ids=str)
def test_the_step_is_where_the_expected_log_joint_is_stationary(problem: LatentVariableModel) -> None:
    """The expectation is a sum over the posterior before the step; the gradient is taken after it."""
    before = moved(problem, 1)
    assert isinstance(problem, Maximises)
    posterior, after = problem.posterior(before), problem.maximise(before)
    assert isinstance(posterior, Enumerated)
    for params, least, most in ((after, 0.0, 1e-9), (before, 1e-3, np.inf)):  # and not before it
        leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
        joint = problem.log_joint(leaves, posterior.enumerate_support()).movedim(0, -1)
        gradient = gradient_of_sum(posterior.expect(joint), leaves)
        assert least <= max(float(value.abs().max()) for value in gradient.values()) <= most


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_where_em_ends_the_gradient_of_log_p_is_zero(problem: LatentVariableModel) -> None:
    """And at the start EM's step climbs along it: a fixed point of EM is a stationary point of log p(x)."""
    params = moved(problem, 1)
    start = ExactMarginalLikelihood().estimate(problem, params, (), 1).gradient
    for _ in range(250):  # the slowest of them is at 0.2 % then
        params, _ = EM().step(problem, params, ())
    end = ExactMarginalLikelihood().estimate(problem, params, (), 1).gradient
    sizes = [max(float(value.abs().max()) for value in each.values()) for each in (start, end)]
    assert sizes[1] < 1e-2 * sizes[0]


@pytest.mark.parametrize("problem", TABLES, ids=str)
def test_at_the_posterior_the_bound_is_log_p(problem: LatentVariableModel) -> None:
    params = moved(problem, 2)
    split = decompose(problem, params, problem.posterior(params))
    assert split is not None
    assert ((split.bound - split.log_evidence).abs() <= 64 * split.rounding).all()
    own = decompose(problem, params)
    assert own is not None
    assert (own.divergence > 1e-6).any()
    assert (own.residual.abs() <= 64 * own.rounding).all()


def test_probabilistic_pca_is_scikit_learns() -> None:
    """Its noise and covariance divide by n − 1; maximum likelihood divides by n."""
    problem = LinearGaussian(latents=2, observed=5, rows=64)
    params = lifted(problem.init(), 1)
    for _ in range(700):  # all three agree to 1e-13 then
        params, _ = EM().step(problem, params, ())
    x = problem.observations(params).numpy()
    witness, shrink = PCA(n_components=2).fit(x), (len(x) - 1) / len(x)
    noise = float((2 * params["log_noise"]).exp())
    weight = params["weight"][0].numpy()
    np.testing.assert_allclose(noise, witness.noise_variance_ * shrink, rtol=1e-8)
    np.testing.assert_allclose(
        weight @ weight.T + noise * np.eye(5), witness.get_covariance() * shrink, rtol=1e-6, atol=1e-8
    )
    np.testing.assert_allclose(params["bias"][0].numpy(), x.mean(0), rtol=1e-10)


@pytest.mark.parametrize("steps", [1, 7])
def test_the_gaussian_mixture_is_scikit_learns(steps: int) -> None:
    """From equal starts; its `lower_bound_` is the mean log p(x) before the last M step."""
    problem = GaussianMixture(components=3, observed=2, rows=120)
    params = lifted(problem.init(), 1)
    x = problem.observations(params).numpy()
    witness = Witness(
        3, covariance_type="diag", reg_covar=0, tol=0, max_iter=steps, weights_init=np.full(3, 1 / 3),
        means_init=params["means"][0].numpy(), precisions_init=(-2 * params["log_scales"][0]).exp().numpy(),
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning):
        fitted: Any = witness.fit(x)
    before = evidence(problem, params)
    for _ in range(steps):
        before = evidence(problem, params)
        params, _ = EM().step(problem, params, ())
    np.testing.assert_allclose(params["logits"][0].softmax(-1).numpy(), fitted.weights_, rtol=1e-9)
    np.testing.assert_allclose(params["means"][0].numpy(), fitted.means_, rtol=1e-9)
    np.testing.assert_allclose((2 * params["log_scales"][0]).exp().numpy(), fitted.covariances_, rtol=1e-8)
    np.testing.assert_allclose(float(before) / 120, fitted.lower_bound_, rtol=1e-10)
    np.testing.assert_allclose(float(evidence(problem, params)) / 120, fitted.score(x), rtol=1e-10)


def test_a_run_of_em_is_evaluated_at_the_posterior() -> None:
    data = convergence.train(Training("GaussianMixture(rows=30)", "EM()", 6, 4, 3))
    assert data["gap"] == [[0.0] * 4] * 3
    assert data["objective"] == [[-value for value in row] for row in data["evidence"]]
    assert data["objective"][-1][0] < data["objective"][0][0]


@dataclass(frozen=True)
class Overshoots(GaussianMixture):
    """Its step goes too far: the negative control."""

    def maximise(self, params: Params) -> Params:
        found = super().maximise(params)
        return {name: params[name] + 2.5 * (value - params[name]) for name, value in found.items()}


def test_a_step_that_lowers_log_p_is_found() -> None:
    spec = f"{__name__}.Overshoots(rows=40)"
    with pytest.raises(ArithmeticError, match=r"EM\(\), step \d+: log p\(x\) fell from"):
        convergence.train(Training(spec, "EM()", 40, 4, 41))


def test_refusals() -> None:
    for text, part in (
        ("GaussianVAE(rows=2)", "no closed form here; use GaussianMixture()"),
        ("GaussianToy()", "no closed form here"),
        ("SigmoidBeliefNetwork()", "no closed form here"),
        ("Minibatch(GaussianMixture(), size=10)", "use it on GaussianMixture()"),
    ):
        assert part in (EM().refuses(specs.problem(text)) or "")


def test_empty_collapsed_and_vanished() -> None:
    problem = GaussianMixture(components=2, observed=1, rows=20)
    params = problem.init()
    far = {**params, "means": torch.tensor([[0.0], [1e4]], dtype=torch.float64)}
    with pytest.raises(ValueError, match=r"component 1 is empty: it answers for 0 of 20 rows; use fewer components"):
        problem.maximise(far)
    row = problem.observations(params)[0]
    onto = {**params, "means": torch.stack([row, row + 3]), "log_scales": torch.tensor([[-14.0], [1.0]]).double()}
    with pytest.raises(ValueError, match=r"component 0 collapses: its variance is .*; use fewer components"):
        problem.maximise(onto)
    whole = LinearGaussian(latents=3, observed=2, rows=4)
    quiet = {**whole.init(), "log_noise": torch.tensor([-16.0], dtype=torch.float64)}  # it falls like 1/steps
    with pytest.raises(ValueError, match="the noise vanishes: its variance is"):
        whole.maximise(whole.maximise(quiet))
    with pytest.raises(ValueError, match="fewer than 3 views do not identify a mixture; pass 3 or more"):
        CategoricalMixture(views=2)
