"""Laws in many dimensions, seen from many directions: distribution functions of projections, without a draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.integrate import simpson
from scipy.interpolate import CubicSpline
from scipy.special import ndtr

from gradmark.benchmarks.experiments.diffusion.simulation.distances import DISTANCES
from gradmark.benchmarks.experiments.diffusion.simulation.gaussian_recursion import Moments
from gradmark.benchmarks.experiments.diffusion.simulation.line import REACH, Law, grid
from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Mixture, gaussian

EVEN = 2**11  # equally spaced points of a law that is smoothed, however a flow has left them
Directions = Float[np.ndarray, "n d"]


def directions(dimension: int, count: int = 8) -> Directions:
    """Unit vectors: spread evenly over a half turn in the plane, and in more dimensions drawn once and for all."""
    if dimension == 2:
        angles = (np.arange(count) + 0.25) * np.pi / count  # none of them a multiple of a quarter turn's half
        return np.stack([np.cos(angles), np.sin(angles)], -1)
    drawn = np.random.default_rng(0).standard_normal((1 if dimension == 1 else count, dimension))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def sliced(laws: list[Law], truth: Mixture, views: Directions) -> dict[str, float]:
    """Each distance, averaged over the directions in which the laws are the projections."""
    seen = [law.distances(truth.projected(view)) for law, view in zip(laws, views, strict=True)]
    return {name: float(np.mean([each[name] for each in seen])) for name in DISTANCES}


def gaussian_projections(law: Moments, views: Directions) -> list[Law]:
    """The projections of a Gaussian of independent axes: N(uᵀm, Σ_j u_j² var_j)."""
    whole = gaussian(law.mean, np.diag(law.variance))
    shadows = [whole.projected(view) for view in views]
    return [Law(x, shadow.distribution(x)) for shadow in shadows for x in [grid(shadow)]]


@dataclass(frozen=True)
class ProductLaw:
    """Any law along a unit vector, and N(0, `across`) in every direction at right angles to it."""

    along: Law
    direction: Float[np.ndarray, " d"]
    across: float

    def projections(self, views: Directions) -> list[Law]:
        """F_u(y) = E[Φ((y − aL)/(b s))], a = uᵀe, b² = 1 − a², s² = `across`; by parts, as L's F is what is known.

        Raises ValueError for a view along the direction itself, where nothing smooths.
        """
        return [self._projection(float(view @ self.direction)) for view in views]

    def _projection(self, share: float) -> Law:
        spread = np.sqrt((1 - share**2) * self.across) if abs(share) < 1 else 0.0
        x = np.linspace(self.along.points[0], self.along.points[-1], EVEN)
        known = CubicSpline(self.along.points, self.along.distribution)(x)
        if spread < 4 * abs(share) * (x[1] - x[0]):
            raise ValueError(f"ProductLaw: a view at {share:.6g} of the direction is too near to it; turn it away")
        low, high = sorted((share * x[0], share * x[-1]))
        y = np.linspace(low - REACH * spread, high + REACH * spread, 512)
        z = (y[:, None] - share * x) / spread
        # Simpson's rule: where F is 1 the integrand does not vanish at its end, and the trapezoidal rule would show it
        below = simpson(known * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), x, axis=1) * share / spread
        return Law(y, below + ndtr(z[:, -1]))
