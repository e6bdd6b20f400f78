"""The measure-valued gradient, with both ends of each derivative drawn from the same noise."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.measure_valued.base import Ends, WeakDerivative, double_sided_maxwell, rayleigh


@dataclass(frozen=True)
class MeasureValued(WeakDerivative):
    """Differentiate the density of a Gaussian q as a difference of densities, coupled; also known as weak derivative.

    With z = μ + σ ε, ε ~ N(0, I), for one coordinate, r the length of a normal in two dimensions (Rayleigh) and m that
    of one in three, of which ε is the first coordinate, with the sign of ε (double-sided Maxwell):

        g_μ = [cost(μ + σ r) − cost(μ − σ r)] / (σ √(2π)),      g_σ = [cost(μ + σ m) − cost(μ + σ ε)] / σ

    and g is their chain rule through μ(params) and σ(params), plus ∂cost(z)/∂params; the other coordinates stay at z.
    Each is averaged over K draws.

    Unbiased, since ∂N/∂μ and ∂N/∂σ are differences of these densities times these constants, whatever the cost is: it
    may have steps, and needs no derivative in z. A constant in the cost has no effect.

    The coupling (r on both sides, ε in m) takes away what both ends have in common. For σ it always helps with a
    quadratic; not so for μ, where (z − k)² costs 4a²(4/π − 1) instead of a²(8/π − 2) + 4σ²/π, a = μ − k: it hurts
    beyond a² = 2σ²/(4 − π).

    Shapes: draws `[K, *R, *B, d]`; each takes 3d + 1 evaluations of the cost, `[3dK, *R, *B]` and `[K, *R, *B]`, the
    latter alone differentiated in the parameters.

    Reference: mohamed2020

    See section 6 of the paper; the method is that of [pflug1989]. There each of the 4d ends is drawn and evaluated.
    Here the normal ends of all σ_j are z itself, with the same variance in each coordinate.
    """

    properties = ("constants_change_nothing", "exact_variance_halves")

    def ends(self, noise: Tensor) -> Ends:
        r = rayleigh(noise)
        return Ends(r, -r, double_sided_maxwell(noise))
