"""The diffusion loss and its gradient at one time, for Gaussian data and a linear denoiser: draws and closed forms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from gradmark.benchmarks.experiments.diffusion.simulation.time_samplers import Grid, midpoints

Array = Float[np.ndarray, "*any"]


@dataclass(frozen=True)
class NoisePrediction:
    """z = αx + σε, x ~ N(0, 1), α² = sigmoid(−γ), σ² = sigmoid(γ), γ = low + t (high − low), Γ = high − low.

    The denoiser ε̂ = θ σ z is right at θ = 1. A draw of the loss is (Γ/2)(target − ε̂)², of its gradient in θ
    −Γ σ z (target − ε̂); the target is ε ("noise"), or its expectation given z ("score"), which is σz: the exact score.
    With ε = σz + αw, w ~ N(0, 1) independent of z, e = θ − 1 and u = σ²:

                          mean at t                     variance at t
        loss, noise       (Γ/2)(e²u + α²)              (Γ²/2)(e²u + α²)²
        loss, score       (Γ/2) e²u                    (Γ²/2) e⁴u²
        gradient, noise   Γ e u                        Γ² (2e²u² + uα²)
        gradient, score   Γ e u                        Γ² 2e²u²

    So at θ = 1 the noise target leaves a gradient of mean 0 at every t that is all noise, and the score target leaves
    none. The score target's loss is less by (Γ/2)α², which θ does not enter. Data of variance c² are these
    at γ − ln c². Raises ValueError for an unknown quantity or target.
    """

    theta: float = 1.0
    low: float = -8.0
    high: float = 6.0

    def draw(self, quantity: str, target: str, t: Array, draw: np.random.Generator) -> Array:
        """One draw at each time, by its definition."""
        alpha, sigma = self._scales(t)
        x, noise = draw.standard_normal((2, *t.shape))
        z = alpha * x + sigma * noise
        missed = {"noise": noise, "score": sigma * z}[self._known(quantity, target)[1]] - self.theta * sigma * z
        span = self.high - self.low
        return span / 2 * missed**2 if quantity == "loss" else -span * sigma * z * missed

    def mean(self, quantity: str, target: str) -> Grid:
        """E[draw | t] at `midpoints()`."""
        return self._moments(quantity, target)[0]

    def variance(self, quantity: str, target: str) -> Grid:
        """Var[draw | t] at `midpoints()`."""
        return self._moments(quantity, target)[1]

    def _moments(self, quantity: str, target: str) -> tuple[Grid, Grid]:
        self._known(quantity, target)
        alpha, sigma = self._scales(midpoints())
        span, error, u = self.high - self.low, self.theta - 1, sigma**2
        left = alpha**2 if target == "noise" else 0 * u  # Var[target | z]
        if quantity == "loss":
            size = error**2 * u + left
            return span / 2 * size, span**2 / 2 * size**2
        return span * error * u, span**2 * (2 * error**2 * u**2 + u * left)

    def _scales(self, t: Array) -> tuple[Array, Array]:
        gamma = self.low + t * (self.high - self.low)
        return np.sqrt(expit(-gamma)), np.sqrt(expit(gamma))

    def _known(self, quantity: str, target: str) -> tuple[str, str]:
        if quantity not in QUANTITIES or target not in TARGETS:
            raise ValueError(
                f"NoisePrediction: quantity {quantity!r} of target {target!r}; use one of {', '.join(QUANTITIES)} and "
                f"one of {', '.join(TARGETS)}"
            )
        return quantity, target


QUANTITIES = ("loss", "gradient")
TARGETS = ("noise", "score")
