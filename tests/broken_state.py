"""Negative controls: wrong baselines that are learned from the rows, one bug each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from gradmark.estimators.core import (
    LatentVariableModel,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
    replicate_axes,
)


@dataclass(frozen=True)
class Learned(SurrogateEstimator):
    """A right baseline, linear in a row's data with a column of ones, with hooks for what may go wrong."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        fits = isinstance(problem, LatentVariableModel) and problem.per_row
        return None if fits else "needs rows with a latent each"

    def init(self, problem: Problem, params: Params) -> State:
        columns = cast(LatentVariableModel, problem).observations(params).shape[-1] + 1
        return next(iter(params.values())).new_zeros(*replicate_axes(problem, params), columns)

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        x, q = cast(LatentVariableModel, problem).observations(params), problem.distribution(params)
        x = torch.cat([x, torch.ones_like(x[..., :1])], -1)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        residual = (cost.mean(0) - self.baseline(x, state)).detach()
        step = self.step(residual.unsqueeze(-1) * x / x.square().sum(-1).mean(-1)[..., None, None])
        weight = self.weight(cost - self.baseline(x, state + step if self.trained_first else state), q.mean)
        return (weight * q.log_prob(z) + cost).mean(0), state + step

    trained_first = False

    def baseline(self, x: Tensor, slope: Tensor) -> Tensor:
        """b(x) of each row."""
        return (x @ slope.unsqueeze(-1)).squeeze(-1)

    def step(self, steps: Tensor) -> Tensor:
        """What the slope moves by, given what each row asks for."""
        return 0.5 * steps.mean(-2)

    def weight(self, residual: Tensor, encoded: Tensor) -> Tensor:
        """What the score is weighed by."""
        return residual.detach()


class TrainedFirst(Learned):
    """The baseline learns from these draws before it is subtracted: it knows them, and the gradient shrinks."""

    trained_first = True


class DividedByItsSpread(Learned):
    """The weights are divided by max(1, their standard deviation), as the paper does: a rescaled gradient."""

    def weight(self, residual: Tensor, encoded: Tensor) -> Tensor:
        spread = residual.detach().square().mean(0).mean(-1).sqrt()
        return residual.detach() / spread.clamp_min(1.0).unsqueeze(-1)


class LeaksIntoTheEncoder(Learned):
    """The baseline looks at the encoder's output instead of the data, and is not detached: log q times its slope."""

    def weight(self, residual: Tensor, encoded: Tensor) -> Tensor:
        return residual.detach() - encoded.sum(-1)


class LearnsFromAllReplicates(Learned):
    """The step is the mean over replicates as well: a baseline that the others have a part in."""

    def step(self, steps: Tensor) -> Tensor:
        return super().step(steps).mean(0).expand(*steps.shape[:-2], steps.shape[-1])
