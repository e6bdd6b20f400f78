"""The exact total variance: against closed forms and an integrator of its own, and withheld where it has to be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from scipy import integrate, special
from torch import Tensor

from gradmark.benchmarks.measurement.block import Setting
from gradmark.benchmarks.problems import BernoulliToy, CategoricalToy, GaussianToy, LinearGaussian
from gradmark.benchmarks.quadrature.averaging import exchangeable, parts
from gradmark.benchmarks.quadrature.exact_moments import Grid, probed
from gradmark.benchmarks.quadrature.exact_variance import exact_total_variance
from gradmark.benchmarks.quadrature.multisets import multisets, number_of_multisets
from gradmark.benchmarks.quadrature.noise_rules import cuts
from gradmark.benchmarks.quadrature.noise_rules import parts as parts_of
from gradmark.estimators import (
    IWAE,
    Antithetic,
    LeaveOneOut,
    MeasureValued,
    MeasureValuedIndependent,
    MovingAverageBaseline,
    Reparameterization,
    ScoreFunction,
)
from gradmark.estimators.core import Estimator, Params, Problem, State, SurrogateEstimator, detached, gradient_of_sum

NARROW = GaussianToy(function="exp", k=4.0, loc=4.0)  # all of the variance is 3.8 standard deviations away
BUMP = GaussianToy(function="exp", k=1.0)
QUADRATIC = GaussianToy(k=-3.0)


def setting(problem: Problem, estimator: Estimator, num_samples: int) -> Setting:
    params = problem.init()
    leaves = {name: value.requires_grad_() for name, value in problem.init().items()}
    exact = problem.exact(leaves)
    assert exact is not None
    flat = torch.cat([part.reshape(-1) for part in gradient_of_sum(exact, leaves).values()])
    return Setting(problem, estimator, num_samples, params, None, flat)


def exact(problem: Problem, estimator: Estimator, num_samples: int) -> float:
    found = exact_total_variance(setting(problem, estimator, num_samples))
    assert found["reason"] is None, found["reason"]
    assert found["error"] <= 1e-3 * found["value"]
    return found["value"]


def bump(k: float, m: float, s: float) -> dict[str, tuple[float, float]]:
    """Variances for loc and scale of one draw, exp(−kz²): ground truth by tilting, for score function and pathwise."""
    widened = [1 + 2 * c * s**2 for c in (k, 2 * k)]
    mass = [q**-0.5 * math.exp(-c * m**2 / q) for q, c in zip(widened, (k, 2 * k), strict=True)]
    slope = mass[0] * np.array(
        [-2 * k * m / widened[0], -2 * k * s / widened[0] + 4 * k**2 * s * m**2 / widened[0] ** 2]
    )
    at, v = m / widened[1], s**2 / widened[1]
    d = at - m
    second, fourth = d**2 + v, d**4 + 6 * d**2 * v + 3 * v**2
    score = mass[1] * np.array([second / s**4, (fourth - 2 * s**2 * second + s**4) / s**6])
    crossed = at**2 * d**2 + at**2 * v + 4 * at * d * v + v * d**2 + 3 * v**2
    path = 4 * k**2 * mass[1] * np.array([at**2 + v, crossed / s**2])
    return {"score": tuple(score - slope**2), "path": tuple(path - slope**2)}


@pytest.mark.parametrize("num_samples", [1, pytest.param(2, marks=pytest.mark.full), 8])
@pytest.mark.parametrize(("problem", "k", "m"), [(NARROW, 4.0, 4.0), (BUMP, 1.0, 1.0)], ids=["narrow", "bump"])
def test_exp_toys_are_their_closed_forms(problem: GaussianToy, k: float, m: float, num_samples: int) -> None:
    closed = bump(k, m, 1.0)
    for method, name in ((ScoreFunction(), "score"), (Reparameterization(), "path")):
        assert exact(problem, method, num_samples) == pytest.approx(sum(closed[name]) / num_samples, rel=2e-4)


def moments_of_leave_one_out(cost: Callable[[float], float], m: float, num_samples: int) -> float:
    """Var = (E[f̃² s²] − G²)/K + (Var f · Var s + G²)/(K (K − 1)) for loc and log σ at σ = 1, by scipy's integrator."""
    total = 0.0

    def mean(function: Callable[[float], float]) -> float:
        density = lambda z: function(z) * math.exp(-((z - m) ** 2) / 2) / math.sqrt(2 * math.pi)  # noqa: E731
        return integrate.quad(density, m - 12, m + 12, points=[0.0, m], limit=400, epsabs=1e-13)[0]

    average = mean(cost)
    spread = mean(lambda z: (cost(z) - average) ** 2)
    for score in (lambda z: z - m, lambda z: (z - m) ** 2 - 1):
        slope = mean(lambda z, s=score: cost(z) * s(z))
        weighted = mean(lambda z, s=score: ((cost(z) - average) * s(z)) ** 2)
        of_score = mean(lambda z, s=score: s(z) ** 2)
        total += (weighted - slope**2) / num_samples
        total += (spread * of_score + slope**2) / (num_samples * (num_samples - 1))
    return total


@pytest.mark.parametrize("num_samples", [2, 8])
@pytest.mark.parametrize("problem", [NARROW, BUMP, QUADRATIC], ids=str)
def test_leave_one_out_with_many_draws(problem: GaussianToy, num_samples: int) -> None:
    def cost(z: float) -> float:
        return (z - problem.k) ** 2 if problem.function == "quadratic" else math.exp(-problem.k * z**2)

    expected = moments_of_leave_one_out(cost, problem.loc, num_samples)
    assert exact(problem, LeaveOneOut(), num_samples) == pytest.approx(expected, rel=2e-4)


def test_leave_one_out_with_many_bits() -> None:
    """g = D n (K − n) / (K (K − 1)) with n ~ Bin(K, p)."""
    p, count, slope = 0.3, 8, 1 - 2 * 0.45
    n = np.arange(count + 1)
    weight = special.comb(count, n) * p**n * (1 - p) ** (count - n)
    gradient = slope * n * (count - n) / (count * (count - 1))
    expected = weight @ gradient**2 - (weight @ gradient) ** 2
    assert exact(BernoulliToy(probs=(0.3,)), LeaveOneOut(), count) == pytest.approx(expected, rel=1e-10)
    assert exact(CategoricalToy(), LeaveOneOut(), 12) > 0  # 3^12 nodes, but 91 multisets


@pytest.mark.parametrize("num_samples", [1, 4])
def test_measure_valued_methods(num_samples: int) -> None:
    """Quadratic: 4a²(4/π − 1) and 4a² + 4σ² coupled, a²(8/π − 2) + 4σ²/π and 16a² + 8σ² independent, a = 4, σ = 1."""
    a = 4.0
    coupled = 4 * a**2 * (4 / math.pi - 1) + 4 * a**2 + 4
    independent = a**2 * (8 / math.pi - 2) + 4 / math.pi + 16 * a**2 + 8
    assert exact(QUADRATIC, MeasureValued(), num_samples) == pytest.approx(coupled / num_samples, rel=1e-6)
    assert exact(QUADRATIC, MeasureValuedIndependent(), num_samples) == pytest.approx(
        independent / num_samples, rel=1e-6
    )


def test_measure_valued_cosine_and_bump() -> None:
    """Coupled, from the table of ground truth: cos(2z), loc and scale; exp(−z²)."""
    assert exact(GaussianToy(function="cos", k=2.0), MeasureValued(), 1) == pytest.approx(0.22408 + 0.72743, abs=1e-5)
    assert exact(BUMP, MeasureValued(), 1) == pytest.approx(0.01257 + 0.07067, abs=2e-5)


def test_a_variance_that_coarse_nodes_miss_is_not_called_zero() -> None:
    """Three nodes of each of eight draws see nothing of a bump that is 3.8 standard deviations away: 1.6e-19 it was."""
    assert exact(NARROW, ScoreFunction(), 8) == pytest.approx(sum(bump(4.0, 4.0, 1.0)["score"]) / 8, rel=2e-4)


def test_a_variance_of_zero_is_found() -> None:
    constant = GaussianToy(function="cos", k=0.0)
    found = exact_total_variance(setting(constant, Reparameterization(), 2))
    assert (found["value"], found["reason"]) == (0.0, None)


# What is not a mean over samples, and is not taken for one


@dataclass(frozen=True)
class Uneven(SurrogateEstimator):
    """Right: the first draw has most of the weight."""

    share: float = 0.9

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        weight = torch.full_like(cost, (1 - self.share) / max(num_samples - 1, 1))
        weight[0] = self.share if num_samples > 1 else 1.0
        return (weight * (cost.detach() * q.log_prob(z) + cost)).sum(0), state


@dataclass(frozen=True)
class Crooked(SurrogateEstimator):
    """Wrong, and says that it is not."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        loss, state = ScoreFunction().surrogate(problem, params, state, num_samples)
        return 1.1 * loss, state


def grid(problem: Problem, estimator: Estimator, num_samples: int) -> Grid:
    given = setting(problem, estimator, num_samples)
    return Grid(given, probed(given, None), None, 5)


def test_samples_of_unequal_weight_are_seen() -> None:
    found = grid(BUMP, Uneven(), 3)
    assert not exchangeable(found, 3)
    assert parts(found, 3, 1) is None
    assert parts(found, 3, 2) is None
    assert exact(BUMP, Uneven(), 2) == pytest.approx(0.82 * sum(bump(1.0, 1.0, 1.0)["score"]), rel=1e-3)


def test_means_over_samples_and_pairs_are_seen() -> None:
    assert exchangeable(grid(BUMP, LeaveOneOut(), 4), 4)
    assert parts(grid(BUMP, ScoreFunction(), 4), 4, 1) is not None
    assert parts(grid(BUMP, LeaveOneOut(), 4), 4, 1) is None  # it refuses one draw
    assert parts(grid(BUMP, LeaveOneOut(), 4), 4, 2) is not None
    pairs = parts(grid(BUMP, Antithetic(), 8), 4, 1)
    assert pairs is not None
    assert pairs.setting.num_samples == 2
    bound = grid(LinearGaussian(latents=1, observed=2, rows=1), IWAE(), 4)
    assert parts(bound, 4, 1) is None
    assert parts(bound, 4, 2) is None


def test_a_biased_method_has_no_exact_variance_and_the_reason_is_said() -> None:
    found = exact_total_variance(setting(QUADRATIC, Crooked(), 1))
    assert found["value"] is None
    assert "is not the exact gradient" in found["reason"]


def test_a_state_is_averaged_over() -> None:
    """The variance is (1 − b)² … in the baseline b: the mean over states, with its standard error."""
    given = setting(QUADRATIC, MovingAverageBaseline(), 1)
    averages = torch.tensor([0.0, 5.0, 17.0], dtype=torch.float64)
    warm = {"average": averages, "weight": torch.ones(3, dtype=torch.float64)}
    alone = []
    for number in range(3):
        state = {"average": averages[number], "weight": torch.ones((), dtype=torch.float64)}
        alone.append(exact_total_variance(replace(given, state=state))["value"])
    found = exact_total_variance(given, warm)
    assert found["value"] == pytest.approx(np.mean(alone), rel=1e-9)
    assert found["stderr"] == pytest.approx(np.std(alone, ddof=1) / math.sqrt(3), rel=1e-9)
    assert found["given"] == "the mean over 3 warm-ups"


# Rules


def test_rules_of_half_lines_and_panels_integrate_what_they_should() -> None:
    for panels, points in ((0, 12), (16, 8)):
        node, weight = parts_of("normal", cuts("normal", panels, 9.0), points)
        assert float(weight.sum()) == pytest.approx(1, abs=1e-12)
        assert float(weight @ node.abs()) == pytest.approx(math.sqrt(2 / math.pi), rel=1e-12)
        assert float(weight @ node**10) == pytest.approx(945, rel=1e-9)
        node, weight = parts_of("exponential", cuts("exponential", panels, 9.0), points)
        assert [float(weight @ node**power) for power in (0, 1, 4)] == pytest.approx([1, math.sqrt(math.pi) / 2, 2])
        assert bool((node.diff() > 0).all())


def test_multisets_stand_for_all_orders() -> None:
    rows, orders = multisets(4, 3)
    assert len(rows) == number_of_multisets(4, 3) == 20
    assert float(orders.sum()) == 4**3
    assert orders[(rows == torch.tensor([0, 0, 1])).all(1)].item() == 3
