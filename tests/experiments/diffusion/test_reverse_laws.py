"""Does the reverse process give back p_0? Laws of its end known without a draw: orders, closed forms, wrong scores."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

from gradmark.benchmarks.experiments.diffusion.simulation import distances, gaussian_recursion, scores
from gradmark.benchmarks.experiments.diffusion.simulation.flow import FLOWS, heun, probability_flow
from gradmark.benchmarks.experiments.diffusion.simulation.gaussian_recursion import Moments
from gradmark.benchmarks.experiments.diffusion.simulation.line import Law, flow_law, flow_map, grid, reverse_law
from gradmark.benchmarks.experiments.diffusion.simulation.orders import fitted_order
from gradmark.benchmarks.experiments.diffusion.simulation.reverse import (
    REVERSE_VARIANCES,
    ancestral,
    anderson,
    reverse_sample,
)
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Cosine, Geometric, LinearBeta, Schedule
from gradmark.benchmarks.experiments.diffusion.simulation.sliced import (
    ProductLaw,
    directions,
    gaussian_projections,
    sliced,
)
from gradmark.benchmarks.experiments.diffusion.simulation.targets import FanMixture, GaussianTarget, LineMixture, Target

SCHEDULES = [Geometric(), LinearBeta(), Cosine()]
DOUBLINGS = (32, 64, 128, 256, 512)
ORDERS = {"Wasserstein-1": 1, "total variation": 1, "energy": 2}  # energy is a square


def assert_order(errors: np.ndarray, order: int) -> None:
    """The order from one doubling of the steps to the next comes nearer in proportion to the step itself.

    With error = c T^−p (1 + a/T + …) the local order is p + O(a/T): its distance from p halves. Asked is less than
    three quarters, as the next terms of the series still count, unless it is nothing already; an order that is wrong
    by any amount keeps its distance.
    """
    local = np.log2(errors[:-1] / errors[1:]) - order
    assert abs(local[-1]) < max(0.75 * abs(local[-2]), 2e-3), local


def gaussian_case(schedule: Schedule, steps: int) -> tuple[Moments, Moments, np.ndarray]:
    levels, data = schedule.levels(steps), Moments(np.array([1.0]), np.array([0.5]))
    return data, gaussian_recursion.start(data, levels), levels


def gaussian_errors(found: float, truth: float = 0.5) -> list[float]:
    return [
        distances.concentric_wasserstein(found, truth),
        distances.concentric_total_variation(found, truth),
        distances.concentric_energy(found, truth),
    ]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_orders_on_a_gaussian(schedule: Schedule) -> None:
    chain, by_heun = [], []
    for steps in DOUBLINGS:
        data, begin, levels = gaussian_case(schedule, steps)
        chain.append(gaussian_errors(gaussian_recursion.chain(data, begin, levels, anderson(levels)).variance[0]))
        by_heun.append(gaussian_errors(gaussian_recursion.heun(data, begin, levels).variance[0]))
    for column, order in enumerate(ORDERS.values()):
        assert_order(np.array(chain)[:, column], order)
        assert_order(np.array(by_heun)[:, column], 2 * order)


def test_ancestral_sampling_is_of_order_one_but_for_a_logarithm() -> None:
    """It lacks Σ σ_t⁴/v_t of the variance, about Σ_t 1/t near the data: T · error grows by a constant a doubling.

    A schedule that starts quadratically, as the linear β at low → 0, has no such sum and no logarithm.
    """
    growth = {}
    for schedule in (Geometric(), LinearBeta(low=1e-9)):
        scaled = []
        for steps in (256, 512, 1024, 2048, 4096):
            data, begin, levels = gaussian_case(schedule, steps)
            end = gaussian_recursion.chain(data, begin, levels, ancestral(levels)).variance[0]
            scaled.append(steps * distances.concentric_wasserstein(end, 0.5))
        growth[schedule] = np.diff(scaled)
    assert growth[Geometric()][-1] == pytest.approx(growth[Geometric()][-2], rel=0.05)
    assert growth[Geometric()].min() > 0.1
    falls = growth[LinearBeta(low=1e-9)]
    assert abs(falls[-1]) < 0.6 * abs(falls[-2])


@pytest.mark.parametrize(("target", "schedule"), [(LineMixture(), Geometric()), (FanMixture(), LinearBeta())])
def test_orders_on_a_mixture(target: Target, schedule: Schedule) -> None:
    """On a grid, the chain at 16 to 128 steps and both flows."""
    law, runs = target.law(), {name: [] for name in ("chain", *FLOWS)}
    for steps in (16, 32, 64, 128):
        levels, score = schedule.levels(steps), scores.exact(law)
        begin = law.noised(levels[-1])
        runs["chain"].append(reverse_law(begin, score, levels, anderson(levels)).distances(law))
        for name, rule in FLOWS.items():
            carried = flow_law(begin, lambda x, a=(rule, score, levels): a[0](x, a[1], a[2]))
            runs[name].append(carried.distances(law))
    for name, found in runs.items():
        for distance, order in ORDERS.items():
            assert_order(np.array([each[distance] for each in found]), order * (2 if name == "heun" else 1))


@cache
def chain_errors(score: str, numbers: tuple[int, ...]) -> np.ndarray:
    """How far from a mixture the chain ends in each number of steps."""
    law, found = FanMixture().law(), []
    for levels in map(Geometric().levels, numbers):
        end = reverse_law(law.noised(levels[-1]), scores.SCORES[score](law), levels, anderson(levels))
        found.append(end.distances(law)["Wasserstein-1"])
    return np.array(found)


@pytest.mark.parametrize("wrong", ["halved", "moment matched", "component dropped"])
def test_wrong_scores_do_not_come_back(wrong: str) -> None:
    """With a wrong score the error stays, whatever the steps: more than 20 times that of the exact score at 64."""
    steps = (16, 32, 64)
    right, off = chain_errors("exact", steps), chain_errors(wrong, steps)
    assert fitted_order(np.array(steps), right)[0] > 0.9
    assert abs(fitted_order(np.array(steps), off)[0]) < 0.3
    assert off[-1] > 20 * right[-1]


@pytest.mark.parametrize("rule", list(REVERSE_VARIANCES))
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_grid_is_the_recursion_on_a_gaussian(rule: str, strength: float) -> None:
    """Its distribution function to 1e-6 everywhere; the trapezoidal rule's own error at this spacing is e^−13."""
    law, levels = GaussianTarget().law(), Geometric().levels(24)
    variances = REVERSE_VARIANCES[rule](levels)
    score = (scores.exact if strength == 1 else scores.halved)(law)
    found = reverse_law(law.noised(levels[-1]), score, levels, variances)
    data = Moments(np.array([1.0]), np.array([0.5]))
    end = gaussian_recursion.chain(data, gaussian_recursion.start(data, levels), levels, variances, strength)
    expected = stats.norm.cdf(found.points, end.mean[0], np.sqrt(end.variance[0]))
    assert np.abs(found.distribution - expected).max() < 1e-6


def test_recursions_of_the_flow() -> None:
    """A point through Heun's rule and through DOP853 is where the recursions' gains put it."""
    data, _, levels = gaussian_case(Cosine(), 9)
    law, x = GaussianTarget().law(), np.array([[3.0], [-2.0]])
    point = Moments(x[:, 0], np.zeros(2))
    both = Moments(np.ones(2), np.full(2, 0.5))
    by_heun, exact = gaussian_recursion.heun(both, point, levels), gaussian_recursion.flow(both, point, levels)
    np.testing.assert_allclose(heun(x, scores.exact(law), levels)[:, 0], by_heun.mean, rtol=1e-12)
    np.testing.assert_allclose(probability_flow(x, scores.exact(law), levels)[:, 0], exact.mean, rtol=1e-8)
    assert gaussian_recursion.flow(data, gaussian_recursion.start(data, levels), levels).variance == pytest.approx(0.5)


@pytest.mark.parametrize("target", [LineMixture(), FanMixture()], ids=str)
def test_probability_flow_is_the_monotone_map(target: Target) -> None:
    """On a line the flow keeps the order of points, so it is F₀⁻¹ ∘ F_T; DOP853 finds it, and it gives back p_0."""
    law, levels = target.law(), Cosine().levels(4)
    begin = law.noised(levels[-1])
    x = grid(begin, 101)[12:-12]
    np.testing.assert_allclose(
        probability_flow(x[:, None], scores.exact(law), levels)[:, 0], flow_map(begin, law, x), atol=1e-7
    )
    back = flow_law(begin, lambda x: probability_flow(x, scores.exact(law), levels), 512)
    assert back.distances(law)["Wasserstein-1"] < 1e-8


@pytest.mark.parametrize("rule", list(REVERSE_VARIANCES))
@pytest.mark.parametrize("steps", [4, 16])
def test_sampler_has_the_law_of_the_grid(rule: str, steps: int) -> None:
    """20 000 chains by Kolmogorov and Smirnov at 1e-4, at 4 and 16 steps; the same draws are not p_0's."""
    law, levels = FanMixture().law(), Geometric().levels(steps)
    begin, variances, draw = law.noised(levels[-1]), REVERSE_VARIANCES[rule](levels), np.random.default_rng(5)
    end = reverse_law(begin, scores.exact(law), levels, variances)
    x = reverse_sample(begin.sample(20_000, draw), scores.exact(law), levels, variances, draw)[:, 0]
    assert stats.kstest(x, lambda at: np.interp(at, end.points, end.distribution)).pvalue > 1e-4
    assert stats.kstest(x, law.distribution).pvalue < 1e-4


@pytest.mark.parametrize("dimension", [2, 32])
def test_sampler_has_the_projections_of_the_product(dimension: int) -> None:
    """In many dimensions: the grid along the diagonal, the recursion across it; 4 directions at 1e-4 each."""
    target, levels, draw = (
        LineMixture(dimension=dimension, stretch=2.0),
        Geometric().levels(12),
        np.random.default_rng(6),
    )
    law, line = target.law(), LineMixture(stretch=2.0).law()
    along = reverse_law(line.noised(9.0), scores.exact(line), levels, anderson(levels))
    rest = Moments(np.zeros(1), np.array([target.variance]))
    across = gaussian_recursion.chain(rest, gaussian_recursion.start(rest, levels), levels, anderson(levels)).variance[
        0
    ]
    views = directions(dimension, 4)
    laws = ProductLaw(along, target.direction, across).projections(views)
    x = reverse_sample(law.noised(9.0).sample(20_000, draw), scores.exact(law), levels, anderson(levels), draw)
    for view, shadow in zip(views, laws, strict=True):
        seen = stats.kstest(x @ view, lambda at, it=shadow: np.interp(at, it.points, it.distribution))
        assert seen.pvalue > 1e-4
        assert stats.kstest(x @ view, law.projected(view).distribution).pvalue < 1e-4


def test_product_of_the_truth_is_the_truth() -> None:
    """Projections made from p_0's own parts are p_0's, from every side, but for Simpson's h⁴ at 2048 points."""
    target, line = LineMixture(dimension=3), LineMixture().law()
    x = grid(line, 4096)
    views = np.concatenate([directions(3, 6), -directions(3, 2)])
    laws = ProductLaw(Law(x, line.distribution(x)), target.direction, target.variance).projections(views)
    assert sliced(laws, target.law(), views)["Wasserstein-1"] < 1e-8
    with pytest.raises(ValueError, match="turn it away"):
        ProductLaw(Law(x, line.distribution(x)), target.direction, 0.3).projections(target.direction[None])


@pytest.mark.parametrize("dimension", [2, 32])
def test_orders_of_projections(dimension: int) -> None:
    target, views, found = GaussianTarget(dimension=dimension), directions(dimension), []
    law = target.law()
    data = Moments(law.mean, law.covariances[0].diagonal())
    for steps in DOUBLINGS:
        levels = Geometric().levels(steps)
        end = gaussian_recursion.chain(data, gaussian_recursion.start(data, levels), levels, anderson(levels))
        found.append(sliced(gaussian_projections(end, views), law, views))
    for distance, order in ORDERS.items():
        assert_order(np.array([each[distance] for each in found]), order)


def test_closed_distances_are_the_integrals() -> None:
    x = np.linspace(-12, 12, 20_001)
    first, second = stats.norm.cdf(x, 0, 1.3), stats.norm.cdf(x, 0, 0.8)
    closed = gaussian_errors(1.3**2, 0.8**2)
    for exact, distance in zip(closed, distances.DISTANCES.values(), strict=True):
        assert distance(x, first, second) == pytest.approx(exact, rel=1e-5)
    assert distances.concentric_total_variation(0.5, 0.5) == 0


def test_energy_in_many_dimensions() -> None:
    """By 2^14 independent pairs, within 4 standard errors: once in 16 000."""
    draw, a, b, d = np.random.default_rng(0), 1.5, 0.7, 5
    x, other, y, also = (draw.normal(size=(2**14, d)) for _ in range(4))
    pairs = 2 * np.linalg.norm(a * x - b * y, axis=1) - a * np.linalg.norm(x - other, axis=1)
    pairs -= b * np.linalg.norm(y - also, axis=1)
    assert abs(pairs.mean() - distances.concentric_energy(a**2, b**2, d)) < 4 * pairs.std() / 2**7


def test_white_noise_only_in_the_limit_of_total_variance() -> None:
    """However fine the steps, p_T is p_0 with noise of the total variance: the distance to N(0, v_T) is the total's."""
    law, found = FanMixture().law(), {}
    for total in (9.0, 900.0, 90_000.0):
        white = GaussianTarget(variance=total).law()
        x = grid(law.noised(total), 4096)
        centred = stats.norm.cdf(x, 0, np.sqrt(total))
        found[total] = distances.total_variation(x, law.noised(total).distribution(x), centred)
        assert white.dimension == 1
    assert found[9.0] > 0.05
    order, _ = fitted_order(np.array(list(found)), np.array(list(found.values())))
    assert order == pytest.approx(0.5, abs=0.1)


def test_bad_calls() -> None:
    law = FanMixture().law()
    fine = Geometric(total=1e4, ratio=1e9).levels(100)
    with pytest.raises(ValueError, match="take fewer steps"):
        reverse_law(law.noised(1e4), scores.exact(law), fine, anderson(fine))
    with pytest.raises(ValueError, match="folds the line over"):
        flow_law(law, lambda x: -x)
    with pytest.raises(ValueError, match="add numbers of steps"):
        fitted_order(np.array([1, 2]), np.array([1.0, 0.5]))
