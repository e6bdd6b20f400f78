"""Negative controls: small wrong estimators, each with one bug that a law has to see."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from gradmark.benchmarks.problems import GaussianToy
from gradmark.estimators.core import (
    Estimate,
    LatentVariableModel,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
    replicate_axes,
)
from gradmark.estimators.requirements import reparameterizable


def leave_one_out(cost: Tensor) -> Tensor:
    """The mean cost of the other draws."""
    return (cost.sum(0) - cost) / (len(cost) - 1)


@dataclass(frozen=True)
class Weighted(SurrogateEstimator):
    """A right score function, with hooks for what may go wrong."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = self.draw(problem, params, num_samples)
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        return self.total(self.weight(cost) * q.log_prob(z.detach()), cost), state

    def draw(self, problem: Problem, params: Params, num_samples: int) -> Tensor:
        """z."""
        return problem.distribution(params).sample((num_samples,))

    def weight(self, cost: Tensor) -> Tensor:
        """What the score is weighed by."""
        return cost.detach()

    def total(self, score: Tensor, cost: Tensor) -> Tensor:
        """The loss of weighed log q(z) and cost."""
        return (score + cost).mean(0)


# Baselines


class OwnSampleInBaseline(Weighted):
    """The baseline is the mean of all draws, its own included: the gradient shrinks by (K − 1)/K."""

    def weight(self, cost: Tensor) -> Tensor:
        return (cost - cost.mean(0)).detach()


class BaselineOverReplicates(Weighted):
    """The baseline averages over replicates too: no bias to be seen in a batch, and a large one alone."""

    def weight(self, cost: Tensor) -> Tensor:
        return (cost - cost.mean((0, 1))).detach()


class HalfBaseline(Weighted):
    """Half of the leave-one-out baseline: no bias, but a constant in the cost has an effect."""

    claims = ("constants_change_nothing", "zero_at_the_posterior")

    def weight(self, cost: Tensor) -> Tensor:
        return (cost - leave_one_out(cost) / 2).detach()


class RaisedBaseline(Weighted):
    """The leave-one-out baseline and one more: no bias, but noise where the cost is constant."""

    claims = ("zero_at_the_posterior",)

    def weight(self, cost: Tensor) -> Tensor:
        return (cost - leave_one_out(cost) + 1.0).detach()


class WeightAttached(Weighted):
    """The weight is not detached: a model's parameters get log q times the cost's gradient on top of their own."""

    def weight(self, cost: Tensor) -> Tensor:
        return cost


class DrawAttached(Weighted):
    """z is not detached where the cost is evaluated: the score's gradient, and the path's on top of it."""

    def draw(self, problem: Problem, params: Params, num_samples: int) -> Tensor:
        return problem.distribution(params).rsample((num_samples,))


class CostGradientForgotten(Weighted):
    """The cost's own gradient is left out: the model's parameters are never learned."""

    def total(self, score: Tensor, cost: Tensor) -> Tensor:
        return score.mean(0)


class SumOverDraws(Weighted):
    """The draws are summed instead of averaged: K times the gradient."""

    def total(self, score: Tensor, cost: Tensor) -> Tensor:
        return (score + cost).sum(0)


class MeanOverRows(Weighted):
    """The rows are averaged instead of summed: the gradient over the number of rows."""

    def total(self, score: Tensor, cost: Tensor) -> Tensor:
        return (score + cost).mean((0, -1))


class OneDrawForAll(Weighted):
    """The K draws are one draw, K times: no bias, and no gain from more draws."""

    def draw(self, problem: Problem, params: Params, num_samples: int) -> Tensor:
        return problem.distribution(params).sample((1,)).repeat_interleave(num_samples, 0)


# State


class MovingAverage(Weighted):
    """A moving average of earlier costs as baseline, right in itself, with hooks for what may go wrong."""

    def init(self, problem: Problem, params: Params) -> State:
        return next(iter(params.values())).new_zeros(replicate_axes(problem, params))

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = self.draw(problem, params, num_samples)
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        average = self.updated(state, cost.mean(0).reshape((*state.shape, -1)).mean(-1))
        baseline = self.baseline(state, average).detach()
        weight = cost.detach() - baseline.reshape((*baseline.shape, *[1] * (cost.dim() - 1 - baseline.dim())))
        return self.total(weight * q.log_prob(z), cost), average

    def updated(self, average: Tensor, latest: Tensor) -> Tensor:
        """The average with the latest mean cost in it."""
        return 0.9 * average + 0.1 * latest.detach()

    def baseline(self, old: Tensor, new: Tensor) -> Tensor:
        """The average that is subtracted."""
        return old


class AverageUpdatedFirst(MovingAverage):
    """The average is updated before it is subtracted: the gradient shrinks by 1 − (1 − decay)/K."""

    def baseline(self, old: Tensor, new: Tensor) -> Tensor:
        return new


class StateInPlace(MovingAverage):
    """The average is updated in place: who kept the state of before has that of after."""

    def updated(self, average: Tensor, latest: Tensor) -> Tensor:
        return average.mul_(0.9).add_(latest.detach(), alpha=0.1)


class StateAttached(MovingAverage):
    """The average keeps the graph of every cost that went into it: memory grows with every step."""

    def updated(self, average: Tensor, latest: Tensor) -> Tensor:
        return 0.9 * average + 0.1 * latest


class StateForgetsReplicates(MovingAverage):
    """The next average is one number for all replicates, broadcast later on as if nothing had happened."""

    def updated(self, average: Tensor, latest: Tensor) -> Tensor:
        return super().updated(average, latest).mean()


# Pathwise


@dataclass(frozen=True)
class Pathwise(SurrogateEstimator):
    """Right reparameterization of a Gaussian toy, with hooks for what may go wrong."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return None if isinstance(problem, GaussianToy) else "made for GaussianToy"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = params["loc"] + self.scale(params) * self.noise((num_samples, *params["loc"].shape), params["loc"].dtype)
        return problem.cost(params, z, problem.distribution(params)).mean(0), state

    def scale(self, params: Params) -> Tensor:
        """σ."""
        return params["log_scale"].exp()

    def noise(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """ε."""
        return torch.randn(shape, dtype=dtype)


class VarianceForScale(Pathwise):
    """z = loc + σ²ε: the variance is taken for the standard deviation."""

    def scale(self, params: Params) -> Tensor:
        return (2 * params["log_scale"]).exp()


class ScaleChainForgotten(Pathwise):
    """The gradient with respect to σ is given for that with respect to log σ: the factor σ is missing."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        gradient, state = super().estimate(problem, params, state, num_samples)
        return Estimate(gradient | {"log_scale": gradient["log_scale"] / params["log_scale"].detach().exp()}, state)


@dataclass(frozen=True)
class Nudged(Pathwise):
    """Has `by` added to the gradient of log σ: a bias of a known size."""

    by: float = 0.0

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        loss, state = super().surrogate(problem, params, state, num_samples)
        return loss + self.by * params["log_scale"].squeeze(-1), state


class OneNoiseForReplicates(Pathwise):
    """All replicates share one noise: their variance is that of nothing."""

    def noise(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.randn(shape[0], *[1] * (len(shape) - 2), shape[-1], dtype=dtype)


class SeedIgnored(Pathwise):
    """Draws from a generator of its own with a fixed seed: every block has the same draws."""

    def noise(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


class Unrepeatable(Pathwise):
    """Draws from a generator of its own, seeded by the machine: nothing can be run again."""

    def noise(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(hash(os.urandom(8))))


@dataclass(frozen=True)
class Landing(SurrogateEstimator):
    """Sticking the landing for those below to get wrong."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        fits = isinstance(problem, LatentVariableModel) and reparameterizable(problem)
        return None if fits else "needs an ELBO and rsample"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).rsample((num_samples,))
        return self.cost(cast(LatentVariableModel, problem), params, z).mean(0), state

    def cost(self, problem: LatentVariableModel, params: Params, z: Tensor) -> Tensor:
        """The cost, with what is held constant in it."""
        return problem.cost(params, z, problem.distribution(detached(params)))


class EntropyForgotten(Landing):
    """log q is left out of the ELBO: nothing keeps q from collapsing."""

    def cost(self, problem: LatentVariableModel, params: Params, z: Tensor) -> Tensor:
        return -problem.log_joint(params, z)


class LandingWithoutPath(Landing):
    """z is held constant instead of the parameters in log q: the path is lost, and the zero-mean score kept."""

    def cost(self, problem: LatentVariableModel, params: Params, z: Tensor) -> Tensor:
        return problem.cost(params, z.detach(), problem.distribution(params))


class LandingForgotten(Landing):
    """The parameters in log q are not held constant: no bias, and noise at the posterior."""

    claims = ("zero_at_the_posterior",)

    def cost(self, problem: LatentVariableModel, params: Params, z: Tensor) -> Tensor:
        return problem.cost(params, z, problem.distribution(params))
