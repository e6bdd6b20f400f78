"""Wrong baselines that are kept from one estimate to the next; `MovingAverage` and `Learned` are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from gradmark.estimators import (
    NVIL,
    MovingAverageBaseline,
)
from gradmark.estimators.core import (
    LatentVariableModel,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
    replicate_axes,
)
from gradmark.estimators.requirements import RowLatents
from tests.controls.wrong.base import Loss, drawn
from tests.controls.wrong.score_function import Weighted


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


class StateOverwritten(MovingAverage):
    """The average overwrites the state: who kept the state of before has that of after."""

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


@dataclass(frozen=True)
class SlowMovingAverage(MovingAverageBaseline):
    """Starts at the first cost, and from the second estimate on moves the average before it is subtracted."""

    decay: float = 0.97

    # the average holds (1 − decay)/K of one's own cost: from the second estimate on 1 − .03/K of the gradient
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, z, cost = drawn(problem, params, num_samples)
        replicates, warm = state["average"].shape, state["weight"] > 0
        latest = cost.detach().mean(0).reshape((*replicates, -1)).mean(-1)
        average = torch.where(warm, self.decay * state["average"] + (1 - self.decay) * latest, latest)
        baseline = torch.where(warm, average, 0).reshape((*replicates, *[1] * (cost.dim() - 1 - len(replicates))))
        loss = ((cost.detach() - baseline) * q.log_prob(z) + cost).mean(0)
        return loss, {"average": average, "weight": torch.ones_like(average)}


@dataclass(frozen=True)
class NVILOfThePaper(NVIL):
    """Divides what is left of the cost by max(1, its running standard deviation)."""

    def init(self, problem: Problem, params: Params) -> State:
        like = next(iter(params.values()))
        return super().init(problem, params) | {"variance": like.new_zeros(replicate_axes(problem, params))}

    # where residuals spread by more than 1, the gradient in q's parameters is divided by that, after the first estimate
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        x = cast(LatentVariableModel, problem).observations(params)
        q, z, cost = drawn(problem, params, num_samples)
        above = cost.detach() - (x @ state["slope"].unsqueeze(-1)).squeeze(-1)
        average = state["average"] / state["weight"].clamp_min(torch.finfo(cost.dtype).tiny)
        residual = above - average.unsqueeze(-1)
        scale = state["variance"].sqrt().clamp_min(1).unsqueeze(-1)
        step = (residual.mean(0).unsqueeze(-1) * x).mean(-2) / (1 + x.square().sum(-1)).mean(-1, keepdim=True)
        latest = {"average": above.mean((0, -1)), "weight": 1, "variance": residual.square().mean((0, -1))}
        running = {name: self.decay * state[name] + (1 - self.decay) * value for name, value in latest.items()}
        loss = (residual / scale * q.log_prob(z) + cost).mean(0)
        return loss, running | {"slope": state["slope"] + self.rate * step}


@dataclass(frozen=True)
class WarmBaselineUpdatedFirst(MovingAverageBaseline):
    """A moving average that is used after ten estimates of warm-up, and then updated before it is subtracted."""

    properties = ()

    def init(self, problem: Problem, params: Params) -> State:
        return {**super().init(problem, params), "count": torch.zeros(replicate_axes(problem, params))}

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        replicates = state["average"].shape
        latest = cost.detach().mean(0).reshape((*replicates, -1)).mean(-1)
        average = self.decay * state["average"] + (1 - self.decay) * latest
        weight = self.decay * state["weight"] + (1 - self.decay)
        # The mean is off, from the 11th estimate on. `average` holds this estimate's own costs with the weight a/(K B),
        # a = (1 − decay)/weight: E[(f_kb − average) s_kb] = G_b (1 − a/(K B)), a gradient of q that tends to .9 of the
        # truth for K = 1 without rows (.88 after 15). Cold (and for ten steps) it is the plain score function, and
        # right.
        baseline = torch.where(state["count"] >= 10, average / weight, torch.zeros_like(average))
        baseline = baseline.reshape((*replicates, *[1] * (cost.dim() - 1 - len(replicates))))
        loss = ((cost.detach() - baseline) * q.log_prob(z) + cost).mean(0)
        return loss, {"average": average, "weight": weight, "count": state["count"] + 1}


@dataclass(frozen=True)
class NormalisedNVIL(NVIL):
    """The learning signal is divided by max(1, running sd), as in the paper, and still said to be unbiased."""

    properties = ()

    def init(self, problem: Problem, params: Params) -> State:
        state = super().init(problem, params)
        return {**state, "square": torch.zeros_like(state["average"])}

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        x, q = cast(LatentVariableModel, problem).observations(params), problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        above = cost.detach() - (x @ state["slope"].unsqueeze(-1)).squeeze(-1)
        known = state["weight"].clamp_min(torch.finfo(cost.dtype).tiny)
        residual = above - (state["average"] / known).unsqueeze(-1)
        # The mean is off, warm only, and only where the residual's sd is above 1: the state is of earlier draws, so
        # that the mean is G/sd exactly. Cold, `square` is 0 and the divisor 1. The model's parameters are right.
        sd = (state["square"] / known).sqrt().clamp_min(1.0)
        loss = (residual / sd.unsqueeze(-1) * q.log_prob(z) + cost).mean(0)
        step = (residual.mean(0).unsqueeze(-1) * x).mean(-2) / (1 + x.square().sum(-1)).mean(-1, keepdim=True)
        ema = {"average": above.mean((0, -1)), "square": residual.square().mean((0, -1)), "weight": 1.0}
        moved = {name: self.decay * state[name] + (1 - self.decay) * value for name, value in ema.items()}
        return loss, {"slope": state["slope"] + self.rate * step, **moved}


@dataclass(frozen=True)
class CommonMovingAverage(MovingAverageBaseline):
    """The moving average is fed with the mean cost of all replicates, and so is one baseline for all of them."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        loss, moved = super().surrogate(problem, params, state, num_samples)
        # The contract: replicates are independent. The average of one replicate moves the baseline of all others, from
        # the second estimate on; one estimate at a given state shows nothing, and the mean is right. The warm variance
        # is flattered as well: the baseline is R times less noisy than one that a single training run would have.
        return loss, {**moved, "average": moved["average"].mean().expand_as(moved["average"]).clone()}


@dataclass(frozen=True)
class Learned(SurrogateEstimator):
    """A right baseline, linear in a row's data with a column of ones, with hooks for what may go wrong."""

    requires = (RowLatents(),)

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
