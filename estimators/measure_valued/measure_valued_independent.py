"""The measure-valued gradient, with noise of its own at each end of each derivative."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators.measure_valued.base import Ends, WeakDerivative, double_sided_maxwell, rayleigh


@dataclass(frozen=True)
class MeasureValuedIndependent(WeakDerivative):
    """Differentiate the density of a Gaussian q as a difference of densities, whose draws are independent.

    With z = μ + σ ε, ε ~ N(0, I), for one coordinate, r and r′ Rayleigh(1), and m double-sided Maxwell, all
    independent:

        g_μ = [cost(μ + σ r) − cost(μ − σ r′)] / (σ √(2π)),      g_σ = [cost(μ + σ m) − cost(μ + σ ε)] / σ

    and g is their chain rule through μ(params) and σ(params), plus ∂cost(z)/∂params; the other coordinates stay at z.
    Each is averaged over K draws.

    Unbiased, as `MeasureValued` is, with which it shares all but the coupling. For (z − k)² it has the smaller variance
    in μ where (μ − k)² > 2σ²/(4 − π), and never in σ. A constant in the cost has no effect.

    Shapes: draws `[K, *R, *B, d]`; each takes 3d + 1 evaluations of the cost, `[3dK, *R, *B]` and `[K, *R, *B]`, the
    latter alone differentiated in the parameters.

    Reference: pflug1989
    """

    properties = ("constants_change_nothing", "exact_variance_halves")

    def ends(self, noise: Tensor) -> Ends:
        return Ends(rayleigh(noise), -rayleigh(noise), double_sided_maxwell(torch.randn_like(noise)))
