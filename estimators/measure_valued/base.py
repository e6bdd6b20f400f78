"""What the measure-valued methods share: the ends of each weak derivative of a Gaussian, and their costs."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator, detached
from gradmark.estimators.requirements import GaussianFactors


class Ends(NamedTuple):
    """Where each coordinate goes, in units of σ from μ, `[K, *R, *B, d]`: the location's two ends, the scale's one."""

    above: Tensor
    below: Tensor
    spread: Tensor


@dataclass(frozen=True)
class WeakDerivative(SurrogateEstimator):
    """Differentiate the density of a factorised Gaussian, as the difference of two densities times a constant.

    With z_k = μ + σ ε_k, ε_k ~ N(0, I), and z_k[j ← x] the same draw with coordinate j put at x, for each j

        g_μj = 1/K Σ_k [cost(z_k[j ← μ_j + σ_j r_k]) − cost(z_k[j ← μ_j − σ_j r′_k])] / (σ_j √(2π))
        g_σj = 1/K Σ_k [cost(z_k[j ← μ_j + σ_j m_k]) − cost(z_k)] / σ_j
        g    = Σ_j (g_μj ∂μ_j/∂params + g_σj ∂σ_j/∂params) + 1/K Σ_k ∂cost(z_k)/∂params

    where r, r′ are Rayleigh(1) and m is double-sided Maxwell, of density x² φ(x). How they are drawn together is left
    to the methods: it changes the variance alone. The normal end of σ_j's derivative is z_k itself, for every j.
    """

    requires = (GaussianFactors(),)
    evaluations = Evaluations(forward=1, backward=0, forward_per_coordinate=3)

    @abstractmethod
    def ends(self, noise: Tensor) -> Ends:
        """The ends of the derivatives, given ε."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        factors, held = GaussianFactors().of(problem.distribution(params)), detached(params)
        q, (loc, scale) = problem.distribution(held), (each.detach() for each in factors)
        noise = torch.randn(num_samples, *loc.shape, dtype=loc.dtype, device=loc.device)
        z = loc + scale * noise
        moved = torch.cat([one_at_a_time(z, loc + scale * end) for end in self.ends(noise)])
        above, below, spread = problem.cost(held, moved.flatten(0, 1), q).unflatten(0, moved.shape[:2]).chunk(3)
        cost = problem.cost(params, z, q)
        slopes = ((above - below) / math.sqrt(2 * math.pi), spread - cost.detach())
        by_coordinate = (slope.mean(1).movedim(0, -1) / scale for slope in slopes)
        paths = (slope * factor for slope, factor in zip(by_coordinate, factors, strict=True))
        return sum(paths, torch.zeros_like(loc)).sum(-1) + cost.mean(0), state


def one_at_a_time(z: Float[Tensor, "*batch d"], end: Float[Tensor, "*batch d"]) -> Float[Tensor, "d *batch d"]:
    """d copies of z: coordinate j of copy j is taken from `end`."""
    d = z.shape[-1]
    chosen = torch.eye(d, dtype=torch.bool, device=z.device).reshape(d, *[1] * (z.dim() - 1), d)
    return torch.where(chosen, end, z)


def rayleigh(like: Tensor) -> Tensor:
    """The length of a standard normal in two dimensions, for each number of `like`; its square is exponential."""
    return (2 * torch.empty_like(like).exponential_()).sqrt()


def double_sided_maxwell(normal: Tensor) -> Tensor:
    """The length of a standard normal in three dimensions with the sign of its first coordinate, which is `normal`."""
    return normal.sign() * (normal**2 + rayleigh(normal) ** 2).sqrt()
