"""Right but unusual score functions: other weights, other baselines, draws from elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal

from gradmark.estimators import ScoreFunction
from gradmark.estimators.core import (
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
    replicate_axes,
)
from gradmark.estimators.requirements import Bits, GaussianFactors
from tests.controls.unusual.base import by_replicate, over_axes, refusal, scored
from tests.controls.unusual.normals import normal


@dataclass(frozen=True)
class ImportanceSampled(SurrogateEstimator):
    """z from a wider normal, weighted: the score function off its distribution."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return "made for normal z" if normal(problem) is None else None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        wider = Independent(Normal(q.mean.detach(), 1.2 * q.stddev.detach()), 1)
        z = wider.sample((num_samples,))
        weight = (q.log_prob(z).detach() - wider.log_prob(z)).exp()
        return (weight * scored(problem, params, z)).mean(0), state


@dataclass(frozen=True)
class RandomBaseline(SurrogateEstimator):
    """Its baseline is a normal number that has nothing to do with anything."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).sample((num_samples,))
        shape = problem.distribution(params).log_prob(z).shape
        return scored(problem, params, z, torch.randn(shape, dtype=z.dtype)).mean(0), state


@dataclass(frozen=True)
class OtherHalf(SurrogateEstimator):
    """The mean cost of each half of the draws is the other half's baseline."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return "made for even num_samples" if num_samples % 2 else None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(params)).detach()
        halves = cost.unflatten(0, (2, -1)).mean(1).flip(0)
        baseline = halves.repeat_interleave(num_samples // 2, 0)
        return scored(problem, params, z, baseline).mean(0), state


@dataclass(frozen=True)
class MedianOfOthers(SurrogateEstimator):
    """Each draw's baseline is a median of the other draws' costs."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return "made for two draws or more" if num_samples < 2 else None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(params)).detach()
        others = [torch.cat([cost[:k], cost[k + 1 :]]).median(0).values for k in range(num_samples)]
        return scored(problem, params, z, torch.stack(others)).mean(0), state


@dataclass(frozen=True)
class RescaledMean(SurrogateEstimator):
    """The mean of all draws as a baseline, its own included, and K/(K − 1) to make up for it."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return "made for two draws or more" if num_samples < 2 else None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        weight = (cost - cost.mean(0)).detach() * num_samples / (num_samples - 1)
        return (weight * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class Delayed(SurrogateEstimator):
    """The baseline is the mean cost of the estimate before the last one."""

    def init(self, problem: Problem, params: Params) -> State:
        like = next(iter(params.values()))
        none = like.new_zeros(replicate_axes(problem, params))
        return {"last": none, "before": none.clone()}

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(params)).detach().mean(0)
        before = by_replicate(state["before"], cost)
        mean = cost.reshape((*state["before"].shape, -1)).mean(-1)
        return scored(problem, params, z, before).mean(0), {"last": mean, "before": state["last"]}


@dataclass(frozen=True)
class RandomWeight(SurrogateEstimator):
    """Each draw's loss is weighted by a log-normal number of mean one."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).sample((num_samples,))
        loss = scored(problem, params, z)
        weight = torch.empty(loss.shape, dtype=loss.dtype).log_normal_(-0.02, 0.2)
        return (weight * loss).mean(0), state


@dataclass(frozen=True)
class AuxiliaryBaseline(ScoreFunction):
    """The score function with the mean cost of a *random number* of extra draws as baseline, zero where there is none.

    With N ~ Poisson(mean) for each replicate, z′_1 … z′_N ~ q, and b = 1/max(N, 1) Σ_{n ≤ N} cost(z′_n):

        g = 1/K Σ_k [(cost(z_k) − b) s(z_k) + ∂cost(z_k)/∂params]

    Unbiased: N and z′ are independent of z_k. As many extra draws are made as the largest N asks for, and each
    replicate uses its first N: N does not depend on them.

    Reference: Variational Inference for Monte Carlo Objectives, Andriy Mnih, Danilo J. Rezende, 2016 (on baselines of
    other draws).
    """

    properties = ()
    mean: float = 2.0

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, held = problem.distribution(params), detached(params)
        fixed = problem.distribution(held)
        like = next(iter(params.values()))
        count = torch.poisson(like.new_full(replicate_axes(problem, params), self.mean))
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, fixed)
        count, baseline = over_axes(count, cost.dim() - 1 - count.dim()), torch.zeros_like(cost[0])
        if most := int(count.max()):
            extra = problem.cost(held, q.sample((most,)), fixed).detach()
            index = torch.arange(most, device=cost.device).reshape(most, *[1] * (cost.dim() - 1))
            baseline = torch.where(index < count, extra, 0.0).sum(0) / count.clamp_min(1)
        return ((cost - baseline).detach() * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class DefensiveImportance(SurrogateEstimator):
    """The score function at draws of a mixture of q and a wider r, weighed back.

    With r a Gaussian of twice the scale, or bits of half the logits, m = ½ q + ½ r, z_k ~ m and w = q/m ≤ 2:

        g = 1/K Σ_k w(z_k) [cost(z_k) s(z_k) + ∂cost(z_k)/∂params]

    Unbiased: m is positive wherever q is, so E_m[w h] = E_q[h]; weights are constants, and not normalised.

    Reference: Weighted Average Importance Sampling and Defensive Mixture Distributions, Tim Hesterberg, 1995.
    """

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        if any(each.unmet(problem, num_samples) is None for each in (Bits(), GaussianFactors())):
            return None
        return refusal(self, problem, "z is neither independent Gaussians nor bits; use ScoreFunction()")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, fixed = problem.distribution(params), problem.distribution(detached(params))
        factors, logits = GaussianFactors().found(fixed), Bits().found(fixed)
        wide = (
            Normal(factors[0], 2 * factors[1], validate_args=False)
            if factors is not None
            else Bernoulli(logits=cast(Tensor, logits) / 2, validate_args=False)
        )
        r, size = Independent(wide, 1, validate_args=False), torch.Size((num_samples,))
        here, there = fixed.sample(size), r.sample(size)
        coin = torch.rand(here.shape[:-1], dtype=here.dtype, device=here.device) < 0.5
        z = torch.where(coin.unsqueeze(-1), here, there)
        log_q = q.log_prob(z)
        log_m = torch.logaddexp(log_q.detach(), r.log_prob(z)) - math.log(2)
        weight = (log_q.detach() - log_m).exp()
        cost = problem.cost(params, z, fixed)
        return (weight * (cost.detach() * log_q + cost)).mean(0), state
