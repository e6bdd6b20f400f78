"""Wrong score functions and baselines made of other draws; `Weighted`, from which most are made, is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent

from gradmark.estimators import (
    LeaveOneOut,
    ScoreFunction,
)
from gradmark.estimators.core import (
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
    replicate_axes,
)
from gradmark.estimators.requirements import Bits, RowLatents
from tests.controls.wrong.base import Loss, drawn


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

    properties = ("constants_change_nothing", "zero_at_the_posterior")

    def weight(self, cost: Tensor) -> Tensor:
        return (cost - leave_one_out(cost) / 2).detach()


class RaisedBaseline(Weighted):
    """The leave-one-out baseline and one more: no bias, but noise where the cost is constant."""

    properties = ("zero_at_the_posterior",)

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


@dataclass(frozen=True)
class PathThroughSteps(SurrogateEstimator):
    """Reparameterizes whatever the cost is: through steps the gradient is zero, and nothing says so."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        return problem.cost(params, q.rsample((num_samples,)), q).mean(0), state


@dataclass(frozen=True)
class ScoreFunctionByProbabilities(ScoreFunction):
    """log q of bits from p instead of the logit."""

    requires = (Bits(),)

    # beyond a logit of 17 in float32, 37 in float64, 1 − p is zero: 0 · log 0 and its slope 0/0 are not finite
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, z, cost = drawn(problem, params, num_samples)
        p = cast(Bernoulli, cast(Independent, q).base_dist).logits.sigmoid()
        log_q = (z * p.log() + (1 - z) * (1 - p).log()).sum(-1)
        return (cost.detach() * log_q + cost).mean(0), state


@dataclass(frozen=True)
class MedianBaseline(LeaveOneOut):
    """From three draws on the baseline is the median cost of all of them, one's own included."""

    # the median is a function of z_k's cost too: E[median · s(z_k)] is not zero (of 3, a third of the draws weigh 0)
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        if num_samples < 3:
            return super().surrogate(problem, params, state, num_samples)
        q, z, cost = drawn(problem, params, num_samples)
        return ((cost - cost.median(0).values).detach() * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class BatchBaseline(ScoreFunction):
    """The baseline of each row is the mean cost of all rows and draws, one's own included."""

    properties = ("order_changes_nothing",)

    requires = (RowLatents(),)

    # one's own cost is 1/(K B) of the mean: the gradient in q's parameters is (1 − 1/(K B)) of what it should be
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, z, cost = drawn(problem, params, num_samples)
        baseline = cost.detach().mean((0, -1), keepdim=True)
        return ((cost.detach() - baseline) * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class RolledLeaveOneOut(LeaveOneOut):
    """The baseline of a draw is the cost of the one draw before it, not the mean of all others (K >= 3)."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        # The variance, K >= 3. Unbiased: the draw before is independent. But the baseline's own variance is Var f
        # instead of Var f/(K − 1), so that the score's noise is about 2 Var f Var s/K where it should be Var f Var s/(K
        # − 1); and the order of the draws, which by the declared property does not matter, changes the estimate. For
        # K = 2 it is right.
        others = cost.roll(1, 0)
        return ((cost - others).detach() * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class LeaveOneOutOrRowMean(LeaveOneOut):
    """For one draw, where there are no others, the baseline falls back to the rows' mean cost, own row included."""

    properties = ()

    requires = ()

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        if num_samples > 1:
            return super().surrogate(problem, params, state, num_samples)
        q = problem.distribution(params)
        z = q.sample((1,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        has_rows = cost.dim() > 1 + len(replicate_axes(problem, params))
        # The mean is off, K = 1 with rows only. E[(f_i − 1/B Σ_j f_j) s_i] = G_i − G_i/B: q's gradient is (1 − 1/B) of
        # the truth. Rows of a minibatch have a small B. K >= 2 is leave-one-out; without rows it is the plain score
        # function.
        baseline = cost.mean(-1, keepdim=True) if has_rows else torch.zeros_like(cost)
        return ((cost - baseline).detach() * q.log_prob(z) + cost).mean(0), state


@dataclass(frozen=True)
class LeakyScoreFunction(ScoreFunction):
    """Z is drawn with rsample where q has one, so that the score's log q is differentiated through z as well."""

    properties = ()

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        # The mean is off, continuous q, and for a location and scale only the scale. log q(μ + σε) = −log σ + const:
        # its total derivative is 0 in μ and −1 in each log σ, and the cost now has its path as well. The location is
        # therefore a right pathwise gradient, and log σ is off by −E[cost]: nothing where the mean cost is 0, much with
        # an offset.
        z = q.rsample((num_samples,)) if q.has_rsample else q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        return (cost.detach() * q.log_prob(z) + cost).mean(0), state


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
