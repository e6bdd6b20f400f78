"""How far two laws are apart: on a line from their distribution functions, and for Gaussians in closed form."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln
from scipy.stats import norm

Line = Float[np.ndarray, " n"]


def wasserstein(points: Line, first: Line, second: Line) -> float:
    """W₁ = ∫ |F − G| dx, of laws on a line given by their distribution functions at increasing points."""
    return float(np.trapezoid(np.abs(first - second), points))


def total_variation(points: Line, first: Line, second: Line) -> float:
    """½ ∫ |f − g| dx, which is half the way that F − G goes up and down."""
    return float(np.abs(np.diff(first - second)).sum() / 2)


def energy(points: Line, first: Line, second: Line) -> float:
    """2 E|X − Y| − E|X − X'| − E|Y − Y'| = 2 ∫ (F − G)² dx: a *squared* distance, so of twice the order."""
    return float(2 * np.trapezoid((first - second) ** 2, points))


DISTANCES = {"Wasserstein-1": wasserstein, "total variation": total_variation, "energy": energy}


def concentric_wasserstein(first: float, second: float) -> float:
    """W₁ of two Gaussians on a line with one mean and these variances: |a − b| E|ξ| = |a − b| √(2/π)."""
    return float(abs(np.sqrt(first) - np.sqrt(second)) * np.sqrt(2 / np.pi))


def concentric_total_variation(first: float, second: float) -> float:
    """The same two in total variation: the densities cross at ±x, x² = ln(a²/b²) / (1/b² − 1/a²)."""
    if first == second:
        return 0.0
    crossing = np.sqrt(np.log(first / second) / (1 / second - 1 / first))
    return float(2 * abs(norm.cdf(crossing / np.sqrt(first)) - norm.cdf(crossing / np.sqrt(second))))


def concentric_energy(first: float, second: float, dimension: int = 1) -> float:
    """That of N(m, a²I) and N(m, b²I): E‖ξ‖ (2 √(a² + b²) − √2 a − √2 b), with E‖ξ‖ = √2 Γ((d+1)/2)/Γ(d/2)."""
    length = np.sqrt(2) * np.exp(gammaln((dimension + 1) / 2) - gammaln(dimension / 2))
    return float(length * (2 * np.sqrt(first + second) - np.sqrt(2 * first) - np.sqrt(2 * second)))
