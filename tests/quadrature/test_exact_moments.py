"""The exact mean and variance of the code itself: against closed forms, against faults, and when it must be silent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.exact_moments import exact_moments, exact_variance_falls, expectation_is_exact, is_bias
from gradmark.benchmarks.checks.shared_draws import draws_are_not_shared
from gradmark.benchmarks.problems import (
    BernoulliToy,
    BernoulliVAE,
    CategoricalToy,
    GaussianToy,
    HiddenMarkovModel,
    LinearGaussian,
    Minibatch,
)
from gradmark.benchmarks.quadrature.exact_moments import NotAlone
from gradmark.benchmarks.quadrature.rules import Unreplaceable, hermite, panels
from gradmark.benchmarks.quadrature.substitution import SharedDraw
from gradmark.estimators import (
    ExactPosterior,
    LeaveOneOut,
    MovingAverageBaseline,
    Reparameterization,
    ScoreFunction,
    StickingTheLanding,
    StraightThrough,
)
from gradmark.estimators.core import Estimator, Params, Problem, State
from tests.controls.unusual.categories import FlattenedIndices
from tests.controls.unusual.normals import Flattened
from tests.controls.wrong import pathwise, score_function
from tests.covering import parametrize_cover

QUADRATIC = Case(GaussianToy(k=0.5, loc=0.8, scale=0.6), "init")
COSINE = Case(GaussianToy(function="cos", k=2.0, loc=0.4, scale=0.7), "init")
BIT = Case(BernoulliToy(probs=(0.3,)), "init")
BITS = Case(BernoulliToy(probs=(0.3, 0.85, 0.55, 0.02)), "init")
ROW = Case(LinearGaussian(latents=1, observed=2, rows=1))
ROWS = Case(LinearGaussian(latents=1, observed=2, rows=3), "posterior")
MODEL = Case(BernoulliVAE(latents=2, rows=3))
PART = Case(Minibatch(LinearGaussian(latents=1, observed=2, rows=3), size=2))
PART_OF_BITS = Case(Minibatch(BernoulliVAE(latents=1, rows=3), size=2))
SUITE = (QUADRATIC, BITS, ROW, MODEL, PART, PART_OF_BITS)
METHODS: tuple[Estimator, ...] = (
    ScoreFunction(),
    LeaveOneOut(),
    MovingAverageBaseline(),
    Reparameterization(),
    StickingTheLanding(),
    ExactPosterior(),
)


def flat(params: Params) -> Tensor:
    return torch.cat([value.reshape(-1) for value in params.values()])


def truth(case: EstimatorCase) -> Tensor:
    exact = case.exact()
    assert exact is not None
    return flat(exact)


TRIED = [(method, on) for method in METHODS for on in SUITE if EstimatorCase(method, on, 2).refusal is None]


@parametrize_cover(("method", "on"), TRIED, lambda method, on: (method, on))
def test_expectation_of_the_code_is_the_exact_gradient(method: Estimator, on: Case) -> None:
    case = EstimatorCase(method, on, 2, "warm" if isinstance(method, MovingAverageBaseline) else "none")
    moments, exact = exact_moments(case), truth(case)
    assert (moments.mean - exact).abs().max() < 1e-12 * (1 + exact.abs().max()) * (1 + moments.total_variance**0.5)
    assert expectation_is_exact(case).status == "passed"


def test_straight_through_has_its_known_bias_and_variance() -> None:
    p = 0.3
    moments = exact_moments(EstimatorCase(StraightThrough(), BIT, 1))
    bias = moments.mean - truth(EstimatorCase(StraightThrough(), BIT, 1))
    assert bias.item() == pytest.approx(p * (1 - p) * (2 * p - 1), abs=1e-15)
    assert moments.total_variance == pytest.approx(4 * (p * (1 - p)) ** 3, abs=1e-15)
    result = expectation_is_exact(EstimatorCase(StraightThrough(), BIT, 1))
    assert is_bias(result)
    assert result.coordinate == "logits[0]"


# Exact variances of one draw, from closed forms; for log σ they are those for σ, times σ²


def quadratic(method: Estimator) -> tuple[float, float]:
    a, s = 0.8 - 0.5, 0.6
    if isinstance(method, Reparameterization):
        return 4 * s**2, s**2 * (4 * a**2 + 8 * s**2)
    return a**4 / s**2 + 14 * a**2 + 15 * s**2, s**2 * (2 * a**4 / s**2 + 60 * a**2 + 74 * s**2)


def cosine(method: Estimator) -> tuple[float, float]:
    k, m, s = 2.0, 0.4, 0.7
    t, c = 2 * k * s, math.cos(2 * k * m) * math.exp(-2 * k**2 * s**2)
    damped = math.exp(-(k**2) * s**2 / 2)
    of_loc, of_scale = -k * math.sin(k * m) * damped, -(k**2) * s * math.cos(k * m) * damped
    if isinstance(method, Reparameterization):
        found = k**2 / 2 * (1 - c), k**2 / 2 * (1 - (1 - t**2) * c)
    else:
        found = (1 + (1 - t**2) * c) / (2 * s**2), (2 + (2 - 4 * t**2 + t**4) * c) / (2 * s**2)
    return found[0] - of_loc**2, s**2 * (found[1] - of_scale**2)


@pytest.mark.parametrize("num_samples", [1, 2])
@pytest.mark.parametrize("method", [ScoreFunction(), Reparameterization()], ids=str)
@pytest.mark.parametrize(("on", "closed"), [(QUADRATIC, quadratic), (COSINE, cosine)], ids=["quadratic", "cos"])
def test_variance_is_the_closed_form(method: Estimator, on: Case, closed: object, num_samples: int) -> None:
    assert callable(closed)
    moments = exact_moments(EstimatorCase(method, on, num_samples))
    assert moments.variance.numpy() == pytest.approx(np.array(closed(method)) / num_samples, rel=1e-10)


def test_variance_of_leave_one_out() -> None:
    a, s, p, d = 0.8 - 0.5, 0.6, 0.3, 1 - 2 * 0.45
    gaussian = exact_moments(EstimatorCase(LeaveOneOut(), QUADRATIC, 2)).variance
    assert gaussian.tolist() == pytest.approx([8 * a**2 + 6 * s**2, s**2 * (24 * a**2 + 32 * s**2)], rel=1e-10)
    bit = exact_moments(EstimatorCase(LeaveOneOut(), BIT, 2)).total_variance
    assert bit == pytest.approx(d**2 * p * (1 - p) * (0.5 - p * (1 - p)), rel=1e-12)


def test_variance_of_the_score_function_of_a_bit_with_a_baseline() -> None:
    p, target = 0.3, 0.45
    weight = (1 - p) * (1 - target) ** 2 + p * target**2
    plain = exact_moments(EstimatorCase(ScoreFunction(), BIT, 1)).total_variance
    assert plain == pytest.approx(p * (1 - p) * weight**2, rel=1e-12)
    cold = exact_moments(EstimatorCase(MovingAverageBaseline(), BIT, 1, "cold")).total_variance
    assert cold == pytest.approx(plain, rel=1e-12)


def test_sticking_the_landing_has_no_variance_in_q_at_the_posterior() -> None:
    case = EstimatorCase(StickingTheLanding(), ROWS, 2)
    names = [name for name, value in ROWS.params.items() for _ in range(value.numel())]
    of_q = torch.tensor([name.startswith(("encoder", "log_scale")) for name in names])
    variance = exact_moments(case).variance
    assert variance[of_q].max() < 1e-10
    assert variance[~of_q].max() > 1e-3


@pytest.mark.parametrize(
    ("estimator", "plain", "on"),
    [
        (Flattened(), Reparameterization(), ROW),
        (Flattened(), Reparameterization(), Case(LinearGaussian(latents=1, observed=2, rows=2))),
        (FlattenedIndices(), ScoreFunction(), Case(CategoricalToy(), "moved")),
        (FlattenedIndices(), ScoreFunction(), Case(CategoricalToy(latents=2), "moved")),
    ],
    ids=str,
)
@pytest.mark.parametrize("num_samples", [1, 2])
def test_samples_may_be_flattened_before_replicates(
    estimator: Estimator, plain: Estimator, on: Case, num_samples: int
) -> None:
    found, expected = (exact_moments(EstimatorCase(each, on, num_samples)) for each in (estimator, plain))
    torch.testing.assert_close(found.mean, expected.mean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.variance, expected.variance, rtol=1e-9, atol=1e-9)


def test_samples_of_a_chain_are_flattened_before_replicates() -> None:
    """Each step of a path is drawn for all samples, replicates and rows at once, from probabilities of their own."""
    on = Case(HiddenMarkovModel(steps=2, symbols=2, rows=2), "moved")
    one, two = (exact_moments(EstimatorCase(ExactPosterior(), on, num_samples)) for num_samples in (1, 2))
    torch.testing.assert_close(two.mean, one.mean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(two.variance, one.variance / 2, rtol=1e-9, atol=1e-9)


# Faults


def test_a_baseline_over_replicates_is_not_the_same_alone() -> None:
    case = EstimatorCase(score_function.BaselineOverReplicates(), BIT, 2)
    with pytest.raises(NotAlone, match="a replicate alone"):
        exact_moments(case)
    assert expectation_is_exact(case).failed


def test_a_noise_shared_by_replicates_is_seen() -> None:
    case = EstimatorCase(pathwise.OneNoiseForReplicates(), QUADRATIC, 2)
    with pytest.raises(SharedDraw, match="shared by"):
        exact_moments(case)
    assert expectation_is_exact(case).status == "skipped"  # a draw made again for those rejected looks the same
    assert draws_are_not_shared(case).failed


def test_variance_that_does_not_fall() -> None:
    assert exact_variance_falls(EstimatorCase(score_function.OneDrawForAll(), BIT, 1)).failed
    assert exact_variance_falls(EstimatorCase(ScoreFunction(), BIT, 1)).status == "passed"
    assert exact_variance_falls(EstimatorCase(MovingAverageBaseline(), BIT, 1, "warm")).status == "passed"
    assert exact_variance_falls(EstimatorCase(LeaveOneOut(), BIT, 2)).status == "passed"


def test_a_small_bias_is_found_and_its_size_said() -> None:
    result = expectation_is_exact(EstimatorCase(pathwise.Nudged(by=1e-6), QUADRATIC, 1))
    assert result.failed
    assert result.coordinate == "log_scale[0]"
    assert result.error == pytest.approx(1e-6, rel=1e-6)
    assert 0 < (result.smallest_detectable or 0) < 1e-6


# Silence


@dataclass(frozen=True)
class Stubborn(score_function.Weighted):
    """Right, and draws until the mean of all draws has a sign: how often depends on the draws."""

    def draw(self, problem: Problem, params: Params, num_samples: int) -> Tensor:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        while z.mean() < 1.1:
            z = z + q.sample((num_samples,)).abs()
        return z


@dataclass(frozen=True)
class FromNumpy(pathwise.Pathwise):
    """Draws where torch does not see it."""

    def noise(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.from_numpy(np.random.default_rng().normal(size=shape)).to(dtype)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (EstimatorCase(Stubborn(), QUADRATIC, 1), "depends on the draws before"),
        (EstimatorCase(FromNumpy(), QUADRATIC, 1), "draws elsewhere than from torch"),
        (EstimatorCase(ScoreFunction(), Case(LinearGaussian(latents=2, observed=3, rows=3)), 3), "too many draws"),
        (EstimatorCase(ScoreFunction(), Case(Minibatch(LinearGaussian(rows=40), size=20)), 1), "too many ways"),
    ],
    ids=["loop", "numpy", "many draws", "many selections"],
)
def test_what_cannot_be_replaced_is_declined(case: EstimatorCase, reason: str) -> None:
    with pytest.raises(Unreplaceable, match=reason):
        exact_moments(case)
    assert expectation_is_exact(case).status == "skipped"


def test_variance_check_declines_without_grounds() -> None:
    assert "does not depend on num_samples" in exact_variance_falls(EstimatorCase(ScoreFunction(), PART, 1)).detail
    assert "num_samples" in exact_variance_falls(EstimatorCase(LeaveOneOut(), BIT, 1)).detail


# Rules


def test_rules_integrate_what_they_should() -> None:
    node, weight = hermite(5)
    assert [float(weight @ node**power) for power in range(10)] == pytest.approx([1, 0, 1, 0, 3, 0, 15, 0, 105, 0])
    node, weight = panels(((0.0, 0.3, 0.7, 1.0), (0.0, 0.5, 0.5, 1.0)), 24)
    assert weight.sum(1).tolist() == pytest.approx([1, 1])
    assert (weight * (node < 0.3)).sum(1)[0] == pytest.approx(0.3, abs=1e-14)
    assert -(weight * node.log()).sum(1).numpy() == pytest.approx([1, 1], abs=1e-5)


def _uniform_bits(params: Params, num_samples: int) -> tuple[Tensor, Tensor]:
    p = params["logits"].sigmoid()
    return p, torch.rand(num_samples, *p.shape, dtype=p.dtype)


@dataclass(frozen=True)
class FromUniforms(score_function.Weighted):
    """Right: a bit is a uniform number below p, so that the integrand jumps there."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return None if isinstance(problem, BernoulliToy) else "made for BernoulliToy"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        p, u = _uniform_bits(params, num_samples)
        z = (u < p).to(p.dtype)
        cost = problem.cost(params, z, problem.distribution(params))
        return (cost * problem.distribution(params).log_prob(z)).mean(0), state


@pytest.mark.parametrize("on", [BIT, Case(BernoulliToy(probs=(0.3, 0.85)), "init")], ids=str)
def test_edges_lie_where_decisions_flip(on: Case) -> None:
    case = EstimatorCase(FromUniforms(), on, 1)
    moments = exact_moments(case)
    assert (moments.mean - truth(case)).abs().max() < 1e-13
    assert moments.variance.tolist() == pytest.approx(
        exact_moments(EstimatorCase(ScoreFunction(), on, 1)).variance.tolist()
    )
