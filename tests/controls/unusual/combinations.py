"""Right but unusual combinations of estimators: both, one of them at random, and what stops at random."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators import ExactGradient, LeaveOneOut, Reparameterization, ScoreFunction
from gradmark.estimators.core import (
    Estimate,
    Estimator,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    replicate_axes,
)
from gradmark.estimators.requirements import DifferentiableCost, ExplicitDraws, MinSamples, Reparameterizable
from tests.controls.unusual.base import by_replicate, over_axes


@dataclass(frozen=True)
class Both(Estimator):
    """A third of the score function and two thirds of the path."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return Reparameterization().refuses(problem, num_samples)

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        score = ScoreFunction().estimate(problem, params, (), num_samples).gradient
        path = Reparameterization().estimate(problem, params, (), num_samples).gradient
        return Estimate({name: score[name] / 3 + 2 * path[name] / 3 for name in params}, state)


@dataclass(frozen=True)
class TossedCoin(Estimator):
    """The score function or the path, whatever a coin says, with a coin for each replicate."""

    refuses = Both.refuses

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        score = ScoreFunction().estimate(problem, params, (), num_samples).gradient
        path = Reparameterization().estimate(problem, params, (), num_samples).gradient
        coin = torch.bernoulli(torch.full(replicate_axes(problem, params), 0.5, dtype=torch.float64))
        heads = {name: by_replicate(coin, value) > 0 for name, value in params.items()}
        return Estimate({name: torch.where(heads[name], score[name], path[name]) for name in params}, state)


@dataclass(frozen=True)
class Roulette(Estimator):
    """Three times leave-one-out's gradient, and mostly nothing at all."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return LeaveOneOut().refuses(problem, num_samples)

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        gradient = LeaveOneOut().estimate(problem, params, (), num_samples).gradient
        spins = torch.full((num_samples, *replicate_axes(problem, params)), 1 / 3, dtype=torch.float64)
        weight = 3 * torch.bernoulli(spins).mean(0)
        weighted = {name: (by_replicate(weight, value) * value).to(value.dtype) for name, value in gradient.items()}
        return Estimate(weighted, state)


@dataclass(frozen=True)
class NoisyTruth(Estimator):
    """The exact gradient, and a normal number in each coordinate that no draw of z has to do with."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return ExactGradient().refuses(problem, num_samples)

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        gradient = ExactGradient().estimate(problem, params, (), num_samples).gradient
        for name, value in params.items():
            gradient[name] = gradient[name] + torch.randn((num_samples, *value.shape), dtype=value.dtype).mean(0)
        return Estimate(gradient, state)


@dataclass(frozen=True)
class Alternating(SurrogateEstimator):
    """Every other estimate is leave-one-out; those between are pathwise or leave-one-out, by a coin for each replicate.

    With n the number of earlier estimates and coin ~ Bernoulli(½):

        g = g_path where n is odd and the coin is 1, else g_leave-one-out

    Unbiased at each n: n is not random, the coin is independent of the draws, and each of the two is unbiased.

    Reference: Monte Carlo Gradient Estimation in Machine Learning, Shakir Mohamed, Mihaela Rosca, Michael Figurnov,
    Andriy Mnih, 2020 (on each of the two).
    """

    requires = (DifferentiableCost(), Reparameterizable(), ExplicitDraws(), MinSamples(2, "the others are needed"))

    def init(self, problem: Problem, params: Params) -> State:
        like = next(iter(params.values()))
        return {"count": torch.zeros(replicate_axes(problem, params), dtype=torch.int64, device=like.device)}

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        by_score, _ = LeaveOneOut().surrogate(problem, params, (), num_samples)
        by_path, _ = Reparameterization().surrogate(problem, params, (), num_samples)
        count = state["count"]
        coin = torch.rand(count.shape, device=count.device) < 0.5
        path = over_axes((count % 2 == 1) & coin, by_path.dim() - count.dim())
        return torch.where(path, by_path, by_score), {"count": count + 1}
