"""The toy's closed forms against numerical integration."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy.integrate import quad

from gradmark.benchmarks.problems import GaussianToy

COSTS: dict[str, Callable[[float, float], float]] = {
    "quadratic": lambda z, k: (z - k) ** 2,
    "cos": lambda z, k: math.cos(k * z),
    "exp": lambda z, k: math.exp(-k * z * z),
}


@pytest.mark.parametrize(("loc", "scale"), [(1.0, 1.0), (-0.4, 0.3), (2.5, 1.7)])
@pytest.mark.parametrize("k", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("function", COSTS)
def test_oracle_is_the_integral(function: str, k: float, loc: float, scale: float) -> None:
    problem = GaussianToy(function=function, k=k, loc=loc, scale=scale)

    def integrand(z: float) -> float:
        density = math.exp(-(((z - loc) / scale) ** 2) / 2) / (scale * math.sqrt(2 * math.pi))
        return density * COSTS[function](z, k)

    expected, _ = quad(integrand, loc - 12 * scale, loc + 12 * scale, epsabs=1e-12, limit=500, points=[loc])
    assert problem.exact(problem.init()).item() == pytest.approx(expected, abs=1e-10)
    for z in (-1.3, 0.2):
        cost = problem.cost(problem.init(), torch.tensor([z]), problem.distribution(problem.init()))
        assert cost.item() == pytest.approx(COSTS[function](z, k), abs=1e-6)


@pytest.mark.parametrize("fields", [{"function": "sin"}, {"scale": 0.0}, {"function": "exp", "k": -0.1}])
def test_impossible_fields_are_refused(fields: dict) -> None:
    with pytest.raises(ValueError, match="GaussianToy"):
        GaussianToy(**fields)
