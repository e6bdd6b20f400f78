"""Wrong mirror images of normal draws; `Mirrored` is right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators import (
    Antithetic,
)
from gradmark.estimators.core import (
    Params,
    Problem,
    State,
    SurrogateEstimator,
)
from gradmark.estimators.requirements import DifferentiableCost, EvenSamples, GaussianFactors, Reparameterizable
from tests.controls.wrong.base import Loss


@dataclass(frozen=True)
class Mirrored(SurrogateEstimator):
    """Right antithetic pairs, with a hook for what may go wrong."""

    requires = (DifferentiableCost(), Reparameterizable(), GaussianFactors(), EvenSamples())

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.rsample((num_samples // 2,))
        return problem.cost(params, torch.cat([z, self.image(z, q.mean)]), q).mean(0), state

    def image(self, z: Tensor, mean: Tensor) -> Tensor:
        """z̃."""
        return 2 * mean - z


class MirroredInZero(Mirrored):
    """The mirror is at 0 instead of μ: the second half comes from another distribution."""

    def image(self, z: Tensor, mean: Tensor) -> Tensor:
        return -z


class MirrorHeld(Mirrored):
    """μ is held constant in the mirror: the images' path leads the wrong way, and the gradient of μ is lost."""

    def image(self, z: Tensor, mean: Tensor) -> Tensor:
        return 2 * mean.detach() - z


class ImageHeld(Mirrored):
    """The image is held constant: half the gradient."""

    def image(self, z: Tensor, mean: Tensor) -> Tensor:
        return (2 * mean - z).detach()


@dataclass(frozen=True)
class AntitheticInTheSampleMean(Antithetic):
    """Mirrors the draws in their own mean instead of q's."""

    # 2 ε̄ − ε is N(0, 1), so that the mean is right; but of one pair it is ε, of two the other one's: half is wasted
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.rsample((num_samples // 2,))
        return problem.cost(params, torch.cat([z, 2 * z.mean(0) - z]), q).mean(0), state


@dataclass(frozen=True)
class MomentMatchedAntithetic(Antithetic):
    """The pairs' noise is rescaled to have the second moment 1 exactly, which gives it another distribution."""

    properties = ()

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        loc, scale = GaussianFactors().of(q)
        noise = torch.randn(num_samples // 2, *loc.shape, dtype=loc.dtype, device=loc.device)
        # The mean is off, costs that are not quadratic, the more the fewer pairs. Divided by its own root mean square
        # the noise is not normal: with one pair it is ±1. First and second moments are exact (in each coordinate, and
        # signs make the mixed ones 0), so that a quadratic cost has the right mean, and no noise; E[ε⁴] = 3n/(n + 2)
        # for n pairs, not 3.
        noise = noise / noise.square().mean(0, keepdim=True).sqrt()
        z = torch.cat([loc + scale * noise, loc - scale * noise])
        return problem.cost(params, z, q).mean(0), state
