"""Wrong weak derivatives; `Differences` is right."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators import (
    MeasureValued,
)
from gradmark.estimators.core import (
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
)
from gradmark.estimators.measure_valued.base import one_at_a_time
from gradmark.estimators.requirements import GaussianFactors
from tests.controls.wrong.base import normals


@dataclass(frozen=True)
class Differences(SurrogateEstimator):
    """Right differences of two densities, with hooks for what may go wrong; slow beyond a few coordinates."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        few = problem.distribution(problem.init()).event_shape.numel() < 5
        return GaussianFactors().unmet(problem, num_samples) if few else "has too many coordinates"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        factors, q = GaussianFactors().of(problem.distribution(params)), problem.distribution(detached(params))
        loc, scale = factors
        e = torch.randn(num_samples, *loc.shape, dtype=loc.dtype)
        r = (2 * torch.empty_like(e).exponential_()).sqrt()
        z = (loc + scale * e).detach()
        loss = problem.cost(params, z, q)
        held = loss.detach()
        for j in range(loc.shape[-1]):
            ends = (r, -r, self.maxwell(e, r))
            cost = [problem.cost(detached(params), self.put(z, j, (loc + scale * end).detach()), q) for end in ends]
            of_loc = (cost[0] - cost[1]) / (self.constant * scale[..., j].detach())
            of_scale = (cost[2] - self.normal(held)) / scale[..., j].detach()
            loss = loss + of_loc * loc[..., j] + of_scale * scale[..., j]
        return loss.mean(0), state

    constant = math.sqrt(2 * math.pi)  # the integral of each part of the location's derivative, inverted, over σ

    def maxwell(self, e: Tensor, r: Tensor) -> Tensor:
        """The far end of the scale's derivative."""
        return e.sign() * (e**2 + r**2).sqrt()

    def normal(self, cost: Tensor) -> Tensor:
        """The cost at the near end of the scale's derivative."""
        return cost

    def put(self, z: Tensor, j: int, end: Tensor) -> Tensor:
        """z with coordinate j at its end."""
        return torch.where(torch.arange(z.shape[-1]) == j, end, z)


class RayleighForMaxwell(Differences):
    """The scale's far end has the length of a normal in two dimensions: half the gradient of σ for a quadratic."""

    def maxwell(self, e: Tensor, r: Tensor) -> Tensor:
        return e.sign() * r


class OneSidedMaxwell(Differences):
    """The scale's far end has lost its sign: no bias where the cost is even about μ, and one elsewhere."""

    def maxwell(self, e: Tensor, r: Tensor) -> Tensor:
        return (e**2 + r**2).sqrt()


class NearEndForgotten(Differences):
    """The normal's part of the scale's derivative is left out: what is left is an expected cost over σ."""

    def normal(self, cost: Tensor) -> Tensor:
        return torch.zeros_like(cost)


class WrongConstant(Differences):
    """The location's constant is √(π/2), the mean of a Rayleigh(1), not √(2π): twice the gradient."""

    constant = math.sqrt(math.pi / 2)


class AllCoordinatesMoved(Differences):
    """All coordinates go to their ends at once: right for one of them, and with several none has the others' noise."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        several = problem.distribution(problem.init()).event_shape.numel() > 1
        return super().refuses(problem, num_samples) if several else "is right for one coordinate"

    def put(self, z: Tensor, j: int, end: Tensor) -> Tensor:
        return end


@dataclass(frozen=True)
class MeasureValuedAtTheMean(MeasureValued):
    """Leaves the other coordinates at their means instead of at the draw."""

    # E[cost] over the others is not the cost at their mean: right where the cost is quadratic or a sum, and only there
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        factors, held = normals(problem, params), detached(params)
        q, (loc, scale) = problem.distribution(held), (each.detach() for each in factors)
        noise = torch.randn(num_samples, *loc.shape, dtype=loc.dtype, device=loc.device)
        ends = [loc + scale * end for end in (*self.ends(noise), noise)]
        moved = torch.cat([one_at_a_time(loc.expand_as(noise), end) for end in ends])
        above, below, spread, normal = problem.cost(held, moved.flatten(0, 1), q).unflatten(0, moved.shape[:2]).chunk(4)
        slopes = ((above - below) / math.sqrt(2 * math.pi), spread - normal)
        by_coordinate = (slope.mean(1).movedim(0, -1) / scale for slope in slopes)
        paths = torch.stack([slope * factor for slope, factor in zip(by_coordinate, factors, strict=True)])
        return paths.sum((0, -1)) + problem.cost(params, loc + scale * noise, q).mean(0), state
