"""Negative controls: replicates that share their noise, each right by itself; and a declared bias that hides another.

No mean over many replicates tells the first three from what is right: only their number is not what it seems.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal

from gradmark.estimators import GumbelSoftmax, Reparameterization, ScoreFunction
from gradmark.estimators.core import Params, Problem, State, detached, replicate_axes
from gradmark.estimators.couplings import relaxation


def halves(noise: Tensor, problem: Problem, params: Params, sign: float) -> Tensor:
    """The noise `[K, *R, …]` of the first half of an even number of replicates, and `sign` times the same again."""
    axes = replicate_axes(problem, params)
    if len(axes) != 1 or axes[0] % 2:
        return noise
    half = noise[:, : axes[0] // 2]
    return torch.cat([half, sign * half], 1)


@dataclass(frozen=True)
class NoiseOfHalfTheReplicates(Reparameterization):
    """Saves half of the random numbers: the second half of the replicates sees the first half's."""

    sign = 1.0

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        q = problem.distribution(problem.init())
        normal = isinstance(q, Independent) and isinstance(q.base_dist, Normal)
        return super().refuses(problem, num_samples) if normal else "made for independent normals"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        noise = torch.randn(num_samples, *q.mean.shape, dtype=q.mean.dtype)
        z = q.mean + q.stddev * halves(noise, problem, params, self.sign)
        return problem.cost(params, z, q).mean(0), state


@dataclass(frozen=True)
class MirroredBetweenReplicates(NoiseOfHalfTheReplicates):
    """Mirrors the noise between replicates instead of between the draws of one: their mean is too good."""

    sign = -1.0


@dataclass(frozen=True)
class StratifiedOverReplicates(ScoreFunction):
    """Draws bits from one uniform number that is shifted by 1/R from replicate to replicate: a stratified sample."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        q = problem.distribution(problem.init())
        bits = isinstance(q, Independent) and isinstance(q.base_dist, Bernoulli)
        return None if bits else "made for bits"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        axes = replicate_axes(problem, params)
        first = torch.rand(num_samples, *[1] * len(axes), *q.mean.shape[len(axes) :], dtype=q.mean.dtype)
        shift = torch.arange(axes.numel(), dtype=q.mean.dtype).view(*axes, *[1] * (q.mean.dim() - len(axes)))
        z = ((first + shift / axes.numel()) % 1 < q.mean).to(q.mean)
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        return (cost.detach() * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class ForgetsTheModel(GumbelSoftmax):
    """Holds the model's parameters constant: declared biased in q, it trains no decoder at all."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        relaxed, held = relaxation(problem.distribution(params)), detached(params)
        assert relaxed is not None
        z = relaxed.soft(relaxed.noisy(num_samples), self.temperature)
        return problem.cost(held, z, problem.distribution(held)).mean(0), state
