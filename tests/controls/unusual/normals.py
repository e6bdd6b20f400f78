"""Right but unusual ways to draw a normal number."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from gradmark.estimators.core import Params, Problem, State, SurrogateEstimator


def normal(problem: Problem) -> Normal | None:
    q = problem.distribution(problem.init())
    base = q.base_dist if isinstance(q, Independent) else None
    return base if isinstance(base, Normal) else None


@dataclass(frozen=True)
class OfNormals(SurrogateEstimator):
    """What draws a normal z in some way of its own."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        if normal(problem) is None or not problem.differentiable:
            return "made for normal z and a cost without steps"
        return None

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        raise NotImplementedError

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        noise = self.noise((num_samples, *q.mean.shape), q.mean)
        return problem.cost(params, q.mean + q.stddev * noise, q).mean(0), state


@dataclass(frozen=True)
class InverseDistribution(OfNormals):
    """Φ⁻¹ of a uniform number."""

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        return torch.special.ndtri(torch.rand(shape, dtype=like.dtype).clamp(1e-300, 1 - 1e-16))


@dataclass(frozen=True)
class BoxMuller(OfNormals):
    """The root of an exponential number, and an angle."""

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        radius = (2 * torch.empty(shape, dtype=like.dtype).exponential_()).sqrt()
        return radius * (2 * math.pi * torch.rand(shape, dtype=like.dtype)).cos()


@dataclass(frozen=True)
class SumOfTwo(OfNormals):
    """Two normal numbers, added with weights whose squares add up to one."""

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        two = torch.randn((2, *shape), dtype=like.dtype)
        return 0.6 * two[0] - 0.8 * two[1]


@dataclass(frozen=True)
class RandomSign(OfNormals):
    """The size of a normal number, with a sign that is drawn apart."""

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        sign = 2 * torch.bernoulli(torch.full(shape, 0.5, dtype=like.dtype)) - 1
        return sign * torch.randn(shape, dtype=like.dtype).abs()


@dataclass(frozen=True)
class Flattened(OfNormals):
    """One long vector of noise for samples, replicates and rows together."""

    def noise(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        return torch.randn(math.prod(shape), dtype=like.dtype).reshape(shape)
