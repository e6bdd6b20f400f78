"""Coordinate ascent: the bound never falls, ends where its gradient is zero, and is scikit-learn's but for constants.

The increments are judged in units of 64 eps (1 + |bound|).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture as Witness
from torch import Tensor

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Training
from gradmark.benchmarks.measurement.block import lifted
from gradmark.benchmarks.problems import (
    AmortisedFixedBeliefNetwork,
    BayesianGaussianMixture,
    FixedBeliefNetwork,
    LinearGaussian,
)
from gradmark.benchmarks.training import convergence
from gradmark.benchmarks.training.evidence import decompose
from gradmark.benchmarks.training.solvers import CAVI, AscendsByCoordinate
from gradmark.estimators.core import Params, Problem, gradient_of_sum

EPS = torch.finfo(torch.float64).eps
MODELS: list[Problem] = [
    BayesianGaussianMixture(),
    BayesianGaussianMixture(components=4, observed=1, rows=40, separation=0.5, seed=2),
    LinearGaussian(latents=3, observed=4, rows=6),
    FixedBeliefNetwork(rows=16),
    FixedBeliefNetwork(latents=4, observed=3, rows=10, strength=5.0, seed=1),
]
SWEEPS = {str(MODELS[1]): 400}  # its components overlap; the others have converged after 100


def moved(problem: Problem, replicates: int, spread: float = 0.3) -> Params:
    noise = torch.Generator().manual_seed(5)
    start = lifted(problem.init(), replicates)
    return {n: v + spread * torch.randn(v.shape, generator=noise, dtype=torch.float64) for n, v in start.items()}


def bound(problem: Problem, params: Params) -> Tensor:
    exact = problem.exact(params)
    assert exact is not None
    return -exact.reshape(len(exact), -1).sum(-1)


def swept(problem: Problem, params: Params, sweeps: int) -> Params:
    for _ in range(sweeps):
        params, _ = CAVI().step(problem, params, ())
    return params


@pytest.mark.parametrize("problem", MODELS, ids=str)
def test_the_bound_never_falls(problem: Problem) -> None:
    params = moved(problem, 3)
    assert CAVI().refuses(problem) is None
    before = first = bound(problem, params)
    for _ in range(40):
        params = swept(problem, params, 1)
        after = bound(problem, params)
        assert (after - before >= -64 * EPS * (1 + after.abs())).all()
        before = after
    assert (before > first + 0.1).all()


@pytest.mark.parametrize("problem", MODELS, ids=str)
def test_where_it_ends_the_bounds_gradient_in_q_is_zero(problem: Problem) -> None:
    """The oracle and its gradient know nothing of the sweeps."""
    start = moved(problem, 2)
    end = swept(problem, start, SWEEPS.get(str(problem), 100))
    of_q = [name for name in start if not torch.equal(start[name], end[name])]
    sizes = []
    for params in (start, end):
        leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
        gradient = gradient_of_sum(-bound(problem, leaves), leaves)
        sizes.append(max(float(gradient[name].abs().max()) for name in of_q))
    assert sizes[1] < 1e-6 < sizes[0]


@pytest.mark.parametrize("problem", MODELS, ids=str)
def test_replicates_are_a_loop(problem: Problem) -> None:
    params = moved(problem, 3)
    found = swept(problem, params, 2)
    assert isinstance(problem, AscendsByCoordinate)
    for replicate in range(3):
        alone: Any = {name: value[replicate] for name, value in params.items()}
        for _ in range(2):
            alone = problem.coordinate(alone)
        for name, value in alone.items():
            torch.testing.assert_close(found[name][replicate], value, rtol=1e-9, atol=1e-11)


def test_the_mean_field_gap_of_a_gaussian_is_its_closed_form() -> None:
    """½ [Σ log A_jj − log det A], the same for every row; and the sweeps' q has the variances 1/A_jj."""
    problem = LinearGaussian(latents=3, observed=4, rows=6)
    params = swept(problem, moved(problem, 3), 300)
    split = decompose(problem, params)
    assert split is not None
    weight, variance = params["weight"], (2 * params["log_noise"]).exp().unsqueeze(-1)
    precision = torch.eye(3, dtype=torch.float64) + weight.mT @ weight / variance
    gap = (precision.diagonal(dim1=-2, dim2=-1).log().sum(-1) - precision.logdet()) / 2
    assert (gap > 0.01).all()
    assert ((split.divergence - gap.unsqueeze(-1)).abs() <= 64 * split.rounding).all()
    assert ((split.log_evidence - split.bound - gap.unsqueeze(-1)).abs() <= 64 * split.rounding).all()


def test_a_linear_encoder_loses_nothing_on_a_linear_gaussian_model() -> None:
    """The best diagonal Gaussian of each row by itself, q = N(m_i, diag 1/A), is what the encoder gives: to the bit of
    rounding. A linear encoder of a belief network loses something: the control."""
    problem = LinearGaussian(latents=3, observed=4, rows=6)
    params = swept(problem, moved(problem, 2), 300)
    posterior, q = problem.posterior(params), problem.distribution(params)
    precision = posterior.precision_matrix.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(q.mean, posterior.mean, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(q.variance, (1 / precision).expand_as(q.variance), rtol=1e-13, atol=0)

    free, amortised = FixedBeliefNetwork(rows=30), AmortisedFixedBeliefNetwork(rows=30)
    leaves = {name: value.unsqueeze(0).requires_grad_() for name, value in amortised.init().items()}
    search = torch.optim.LBFGS(list(leaves.values()), max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Any:
        search.zero_grad()
        total = amortised.exact(leaves).sum()
        total.backward()
        return total

    search.step(loss)
    with torch.no_grad():
        start = {"logits": amortised.encoded(leaves)}
        best = swept(free, start, 50)
        evidence = free.log_evidence(best).sum()
        gaps = [float(evidence - bound(problem, at)) for problem, at in ((amortised, leaves), (free, best))]
    assert gaps[0] > gaps[1] + 0.1  # what the encoder loses
    assert gaps[1] > 0.1  # what independent bits lose


def test_the_bound_is_scikit_learns_but_for_its_constants() -> None:
    """In one dimension; in more its diagonal precisions have the constants of a Wishart distribution, not of a Gamma.

    It leaves out N/2 log 2π, log B(α₀), and for each component ½ log β₀ + a₀ log b₀ − log Γ(a₀).
    """
    problem = BayesianGaussianMixture(components=3, observed=1, rows=50, shape=1.5, rate=0.7, concentration=0.8)
    x = problem._data(problem.init()).numpy()
    share = problem.init()["assignment_logits"].softmax(-1).numpy()

    class Started(Witness):
        def _initialize_parameters(self, X: Any, *more: Any, **named: Any) -> None:  # noqa: N803
            self._initialize(X, share)  # pyright: ignore[reportAttributeAccessIssue]

    constant = -25 * math.log(2 * math.pi) + math.lgamma(3 * 0.8) - 3 * math.lgamma(0.8)
    constant += 3 * (math.log(0.05) / 2 + 1.5 * math.log(0.7) - math.lgamma(1.5))
    for steps in (1, 5, 20):
        witness = Started(
            n_components=3, covariance_type="diag", weight_concentration_prior_type="dirichlet_distribution", tol=0,
            reg_covar=0, weight_concentration_prior=0.8, mean_prior=[0.0], mean_precision_prior=0.05,
            degrees_of_freedom_prior=3.0, covariance_prior=[1.4], max_iter=steps,
        )  # fmt: skip
        with pytest.warns(ConvergenceWarning):
            witness.fit(x)
        params = swept(problem, lifted(problem.init(), 1), steps)
        np.testing.assert_allclose(float(bound(problem, params)), witness.lower_bound_ + constant, rtol=1e-12)
        shares = problem.coordinate(params)["assignment_logits"].softmax(-1)[0]
        np.testing.assert_allclose(shares.numpy(), witness.predict_proba(x), rtol=1e-8, atol=1e-12)


def test_a_component_without_rows_is_its_prior() -> None:
    problem = BayesianGaussianMixture(components=2, observed=1, rows=5, rate=0.3)
    logits = torch.tensor([[0.0, -800.0]]).double().expand(5, 2)
    found = problem._given(logits, problem._data(problem.init()))
    prior = {"log_concentration": 0.0, "log_tightness": math.log(0.05), "log_shape": 0.0, "log_rate": math.log(0.3)}
    for name, value in prior.items():
        assert float(found[name][1]) == pytest.approx(value, abs=1e-14)


@dataclass(frozen=True)
class Overshoots(FixedBeliefNetwork):
    """Its sweep goes too far: the negative control."""

    def coordinate(self, params: Params) -> Params:
        found: Any = super().coordinate(params)
        return {name: params[name] + 2.5 * (value - params[name]) for name, value in found.items()}


def test_a_sweep_that_lowers_the_bound_is_found() -> None:
    spec = f"{__name__}.Overshoots(rows=20)"
    with pytest.raises(ArithmeticError, match=r"CAVI\(\), step \d+: the bound fell from .* problem's coordinate is"):
        convergence.train(Training(spec, "CAVI()", 20, 4, 21))


def test_a_run_reaches_the_store_with_its_gap() -> None:
    data = convergence.train(Training("FixedBeliefNetwork(rows=20)", "CAVI()", 10, 4, 5))
    assert data["gap"][-1][0] < data["gap"][0][0]
    assert data["tight"] is False


def test_refusals_and_bad_input() -> None:
    for text, part in (
        ("GaussianToy()", "no factor of q is known here; use BayesianGaussianMixture()"),
        ("AmortisedFixedBeliefNetwork()", "no factor of q is known here"),
        ("CorrelatedLinearGaussian()", "no factor of q is known here"),
        ("Minibatch(LinearGaussian(), size=10)", "use it on LinearGaussian()"),
    ):
        assert part in (CAVI().refuses(specs.problem(text)) or "")
    with pytest.raises(ValueError, match=r"BayesianGaussianMixture\(rate=0.0\): it is positive; use 1.0"):
        BayesianGaussianMixture(rate=0.0)
    with pytest.raises(ValueError, match=r"latents=13\): 2\^13 states are too many to enumerate; use 12 or fewer"):
        FixedBeliefNetwork(latents=13)
