"""Measure-valued gradients: means and variances in closed form and by quadrature, for smooth costs and for steps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from gradmark.benchmarks.measurement.block import Setting
from gradmark.benchmarks.measurement.evaluations import count_evaluations
from gradmark.benchmarks.problems import BernoulliToy, GammaPosterior, GaussianToy, LinearGaussian, StepToy
from gradmark.estimators import MeasureValued, MeasureValuedIndependent
from gradmark.estimators.core import Params, Problem
from tests.estimators.agreement import LEVEL, assert_agrees, assert_mean, assert_variance, measured
from tests.estimators.closed_forms import Answer, in_logs

FEWER = 2**17
QUADRATIC = [(0.0, 1.0, 1.0), (-3.0, 1.0, 1.0), (3.0, 1.0, 1.0), (0.7, -0.4, 0.5), (2.0, 0.3, 1.6)]
WAVES = [("cos", 1.0, 1.0, 1.0), ("cos", 2.0, 0.4, 0.7), ("exp", 1.0, 1.0, 1.0), ("exp", 0.3, -0.5, 1.3)]
STEPS = [((0.0,), 1.0, 1.0), ((-0.4, 0.5, 0.9), 0.3, 0.7), ((-1.0, 2.0), 0.0, 1.5)]

each_quadratic = pytest.mark.parametrize(("k", "loc", "scale"), QUADRATIC)
each_wave = pytest.mark.parametrize(("function", "k", "loc", "scale"), WAVES)
each_staircase = pytest.mark.parametrize(("edges", "loc", "scale"), STEPS)


def quadratic_coupled(k: float, loc: float, scale: float) -> tuple[Answer, Answer]:
    """4a²(4/π − 1), and 4a² + 4σ² for σ."""
    a = loc - k
    return in_logs((2 * a, 4 * a**2 * (4 / math.pi - 1)), (2 * scale, 4 * a**2 + 4 * scale**2), scale)


def quadratic_independent(k: float, loc: float, scale: float) -> tuple[Answer, Answer]:
    """a²(8/π − 2) + 4σ²/π, and 16a² + 8σ² for σ."""
    a = loc - k
    of_loc = a**2 * (8 / math.pi - 2) + 4 * scale**2 / math.pi
    return in_logs((2 * a, of_loc), (2 * scale, 16 * a**2 + 8 * scale**2), scale)


@each_quadratic
def test_quadratic_coupled(k: float, loc: float, scale: float) -> None:
    moments = measured(GaussianToy(k=k, loc=loc, scale=scale), MeasureValued(), replicates=FEWER)
    assert_agrees(moments, *quadratic_coupled(k, loc, scale))


@each_quadratic
def test_quadratic_independent(k: float, loc: float, scale: float) -> None:
    moments = measured(GaussianToy(k=k, loc=loc, scale=scale), MeasureValuedIndependent(), replicates=FEWER)
    assert_agrees(moments, *quadratic_independent(k, loc, scale))


@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_the_coupling_hurts_far_from_the_minimum(scale: float) -> None:
    """In μ, beyond (μ − k)² = 2σ²/(4 − π); never in σ. Seen in closed form and in what is measured."""
    edge = scale * math.sqrt(2 / (4 - math.pi))
    for factor, hurts in ((0.6, False), (1.0, None), (1.6, True)):
        coupled, independent = (f(0.0, factor * edge, scale) for f in (quadratic_coupled, quadratic_independent))
        assert coupled[1][1] < independent[1][1]
        if hurts is None:
            assert coupled[0][1] == pytest.approx(independent[0][1])
            continue
        assert (coupled[0][1] > independent[0][1]) == hurts
        problem = GaussianToy(loc=factor * edge, scale=scale)
        pair = [measured(problem, each, replicates=2**15) for each in (MeasureValued(), MeasureValuedIndependent())]
        traces = [moments.traces[:, 1] for moments in pair]
        z = (traces[0].mean() - traces[1].mean()) / math.sqrt(sum(each.var(ddof=1) / len(each) for each in traces))
        assert (z if hurts else -z) > stats.norm.isf(LEVEL)


# Any cost, by quadrature: the pair (N, M) of the coupling as (U M, M), U uniform, which is not how it is drawn


def density(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of a Rayleigh(1), a double-sided Maxwell and a normal, for smooth costs."""
    low = 0.0 if name == "rayleigh" else -12.0
    node, weight = np.polynomial.legendre.leggauss(400)
    x = low + (12.0 - low) * (node + 1) / 2
    values = {"rayleigh": x * np.exp(-(x**2) / 2), "maxwell": x**2 * stats.norm.pdf(x), "normal": stats.norm.pdf(x)}
    return x, values[name] * weight * (12.0 - low) / 2


def smooth_coupled(f: Callable[[np.ndarray], np.ndarray], loc: float, scale: float) -> tuple[Answer, Answer]:
    r, weight = density("rayleigh")
    sides = (f(loc + scale * r) - f(loc - scale * r)) / (scale * math.sqrt(2 * math.pi))
    mean = float(weight @ sides)
    m, maxwell = density("maxwell")
    node, uniform = np.polynomial.legendre.leggauss(200)
    difference = (f(loc + scale * m) - f(loc + scale * np.multiply.outer((node + 1) / 2, m))) / scale
    mean_scale, square = (float(uniform / 2 @ each @ maxwell) for each in (difference, difference**2))
    return in_logs((mean, float(weight @ sides**2) - mean**2), (mean_scale, square - mean_scale**2), scale)


def smooth_independent(f: Callable[[np.ndarray], np.ndarray], loc: float, scale: float) -> tuple[Answer, Answer]:
    def moments(name: str, sign: int = 1) -> np.ndarray:
        x, weight = density(name)
        values = f(loc + sign * scale * x)
        return np.array([weight @ values, weight @ values**2 - (weight @ values) ** 2])

    def pair(one: np.ndarray, other: np.ndarray, factor: float) -> Answer:
        return factor * (one[0] - other[0]), factor**2 * (one[1] + other[1])

    of_loc = pair(moments("rayleigh"), moments("rayleigh", -1), 1 / (scale * math.sqrt(2 * math.pi)))
    return in_logs(of_loc, pair(moments("maxwell"), moments("normal"), 1 / scale), scale)


def wave(function: str, k: float) -> Callable[[np.ndarray], np.ndarray]:
    return (lambda x: np.cos(k * x)) if function == "cos" else lambda x: np.exp(-k * x**2)


@each_wave
def test_waves(function: str, k: float, loc: float, scale: float) -> None:
    problem, cost = GaussianToy(function, k, loc, scale), wave(function, k)
    assert_agrees(measured(problem, MeasureValued(), replicates=FEWER), *smooth_coupled(cost, loc, scale))
    found = measured(problem, MeasureValuedIndependent(), replicates=FEWER)
    assert_agrees(found, *smooth_independent(cost, loc, scale))


def test_the_quadrature_is_the_closed_form() -> None:
    """For the quadratic, and for μ of the cosine: sin²(kμ)/(πσ²) √2 t D(t/√2) − G², t = 2kσ, D Dawson's integral."""
    for k, loc, scale in QUADRATIC:
        square = lambda x, k=k: (x - k) ** 2  # noqa: E731
        np.testing.assert_allclose(smooth_coupled(square, loc, scale), quadratic_coupled(k, loc, scale), atol=1e-10)
        found = smooth_independent(square, loc, scale)
        np.testing.assert_allclose(found, quadratic_independent(k, loc, scale), atol=1e-10)
    for _, k, loc, scale in WAVES[:2]:
        (mean, variance), _ = smooth_coupled(wave("cos", k), loc, scale)
        t = 2 * k * scale
        dawson = math.sqrt(2) * t * float(special.dawsn(t / math.sqrt(2)))
        assert mean == pytest.approx(-k * math.sin(k * loc) * math.exp(-(k**2) * scale**2 / 2))
        assert variance == pytest.approx(math.sin(k * loc) ** 2 / (math.pi * scale**2) * dawson - mean**2)


# Steps: x are the edges, in units of σ from μ


def density_of_normal(x: float) -> float:
    return math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def steps_coupled(edges: tuple[float, ...], loc: float, scale: float) -> tuple[Answer, Answer]:
    """Σ exp(−max²/2) over pairs of edges for μ; Σ min φ(max) over those on one side for σ, min and max of their |x|."""
    x = [(edge - loc) / scale for edge in edges]
    mean = sum(density_of_normal(each) / scale for each in x)
    mean_scale = sum(each * density_of_normal(each) / scale for each in x)
    pairs = [(min(abs(a), abs(b)), max(abs(a), abs(b)), a * b > 0) for a, b in itertools.product(x, x)]
    square = sum(math.exp(-(far**2) / 2) for _, far, _ in pairs) / (2 * math.pi * scale**2)
    square_scale = sum(near * density_of_normal(far) for near, far, same in pairs if same) / scale**2
    return in_logs((mean, square - mean**2), (mean_scale, square_scale - mean_scale**2), scale)


def steps_independent(edges: tuple[float, ...], loc: float, scale: float) -> tuple[Answer, Answer]:
    """Each end is a count of edges: Cov(1[a], 1[b]) = P(beyond both) − P(beyond a) P(beyond b)."""
    x = sorted((edge - loc) / scale for edge in edges)
    tails: dict[str, Callable[[float], float]] = {
        "above": lambda t: math.exp(-(max(t, 0.0) ** 2) / 2),
        "below": lambda t: 1 - math.exp(-(min(t, 0.0) ** 2) / 2),
        "maxwell": lambda t: float(stats.norm.sf(t) + t * stats.norm.pdf(t)),
        "normal": lambda t: float(stats.norm.sf(t)),
    }
    mean = {name: sum(map(tail, x)) for name, tail in tails.items()}
    spread = {
        name: sum(tail(max(a, b)) - tail(a) * tail(b) for a, b in itertools.product(x, x))
        for name, tail in tails.items()
    }
    factor = 1 / (scale * math.sqrt(2 * math.pi))
    of_loc = factor * (mean["above"] - mean["below"]), factor**2 * (spread["above"] + spread["below"])
    of_scale = (mean["maxwell"] - mean["normal"]) / scale, (spread["maxwell"] + spread["normal"]) / scale**2
    return in_logs(of_loc, of_scale, scale)


@each_staircase
def test_steps(edges: tuple[float, ...], loc: float, scale: float) -> None:
    problem = StepToy(edges, loc, scale)
    coupled, independent = steps_coupled(edges, loc, scale), steps_independent(edges, loc, scale)
    assert coupled[0][0] == pytest.approx(independent[0][0])
    assert coupled[1][0] == pytest.approx(independent[1][0])
    assert_agrees(measured(problem, MeasureValued(), replicates=FEWER), *coupled)
    assert_agrees(measured(problem, MeasureValuedIndependent(), replicates=FEWER), *independent)


# Several coordinates


@dataclass(frozen=True)
class Projected(Problem):
    """z ~ N(loc, diag(scale²)) in two coordinates, with cost (z₁ + 2z₂ − 1)²."""

    def init(self) -> Params:
        numbers = {"loc": [0.8, -0.3], "log_scale": [-0.5, 0.2]}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}

    def distribution(self, params: Params) -> Distribution:
        return Independent(Normal(params["loc"], params["log_scale"].exp()), 1)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return (z @ z.new_tensor([1.0, 2.0]) - 1) ** 2


@pytest.mark.parametrize("draws", [1, 3])
def test_the_other_coordinates_are_drawn(draws: int) -> None:
    """w²[16(c² + v)/π − 4c²] and 4w⁴σ² + 4w²(c² + v), with v what the other coordinate adds, c the mean of w·z − 1."""
    params = Projected().init()
    loc, scale = params["loc"].numpy(), params["log_scale"].exp().numpy()
    w = np.array([1.0, 2.0])
    c, v = w @ loc - 1, ((w * scale) ** 2)[::-1]
    variances = [
        w**2 * (16 / math.pi * (c**2 + v) - 4 * c**2) / draws,
        scale**2 * (4 * w**4 * scale**2 + 4 * w**2 * (c**2 + v)) / draws,
    ]
    moments = measured(Projected(), MeasureValued(), draws, FEWER)
    for column, means in enumerate((2 * w * c, 2 * w**2 * scale**2)):
        for j in range(2):
            assert_mean(moments, 2 * column + j, means[j], variances[column][j])
        assert_variance(moments, 1 + column, variances[column].sum())


@pytest.mark.parametrize("estimator", [MeasureValued(), MeasureValuedIndependent()], ids=str)
def test_evaluations(estimator: MeasureValued) -> None:
    """3d + 1 for each draw, of which the draw alone is differentiated."""
    for problem, d in ((GaussianToy(), 1), (LinearGaussian(latents=3, rows=4), 3)):
        counts = count_evaluations(Setting(problem, estimator, 5, problem.init()))
        backward = 0 if isinstance(problem, GaussianToy) else 5  # its cost depends on z alone
        assert (counts.forward, counts.backward) == (5 * (3 * d + 1), backward)


@pytest.mark.parametrize("estimator", [MeasureValued(), MeasureValuedIndependent()], ids=str)
@pytest.mark.parametrize("problem", [BernoulliToy(), GammaPosterior()], ids=str)
def test_needs_gaussians(estimator: MeasureValued, problem: Problem) -> None:
    assert "not a vector of independent Gaussians" in (estimator.refuses(problem, 1) or "")
    with pytest.raises(ValueError, match="not a vector of independent Gaussians"):
        estimator.estimate(problem, problem.init(), (), 1)
