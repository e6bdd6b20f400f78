"""Wrong control variates of the score function; `Coefficients` and `FirstOrder` are right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators import OptimalControlVariate
from gradmark.estimators.core import Estimate, Params, Problem, State, SurrogateEstimator, gradient_of_sum
from gradmark.estimators.draws import cost_at
from gradmark.estimators.requirements import DifferentiableCost, KnownMean, MinSamples
from gradmark.estimators.score_function.optimal_control_variate import coefficient
from tests.controls.wrong.base import Loss, drawn


@dataclass(frozen=True)
class Coefficients(OptimalControlVariate):
    """A right coefficient of the score for each parameter, with hooks for what may go wrong."""

    properties = ()

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        with torch.enable_grad():
            q, z, cost = drawn(problem, leaves, num_samples)
            log_q = q.log_prob(z)
            score = gradient_of_sum(log_q.mean(0), leaves, retain_graph=True)
            plain = gradient_of_sum((cost.detach() * log_q).mean(0), leaves, retain_graph=True)
            own = gradient_of_sum(cost.mean(0), leaves)
        moved = self.moved(state, plain, score)
        used = {name: self.coefficient(state, moved, plain, score, name) for name in params}
        return Estimate({name: plain[name] - used[name] * score[name] + own[name] for name in params}, moved)

    def moved(self, state: State, plain: Params, score: Params) -> State:
        """The averages with these draws in them."""
        kept, new = self.decay, 1 - self.decay
        product = {name: kept * old + new * plain[name] * score[name] for name, old in state["product"].items()}
        square = {name: kept * old + new * score[name] ** 2 for name, old in state["square"].items()}
        return {"product": product, "square": square, "weight": kept * state["weight"] + new}

    def coefficient(self, old: State, new: State, plain: Params, score: Params, name: str) -> Tensor:
        """What the score of one parameter is multiplied by."""
        return coefficient(old, name)


class CoefficientOfTheseDraws(Coefficients):
    """The coefficient is that of the draws themselves: for one draw of one row it is the cost, and nothing is left."""

    def coefficient(self, old: State, new: State, plain: Params, score: Params, name: str) -> Tensor:
        return torch.where(score[name] != 0, plain[name] / score[name], 0.0)


class CoefficientUpdatedFirst(Coefficients):
    """The averages are moved before they are used: they know the draws that the coefficient then multiplies."""

    def coefficient(self, old: State, new: State, plain: Params, score: Params, name: str) -> Tensor:
        return coefficient(new, name)


class CoefficientOfAllReplicates(Coefficients):
    """The averages are means over replicates as well, which no longer are independent."""

    def moved(self, state: State, plain: Params, score: Params) -> State:
        found = super().moved(state, plain, score)
        shared = {
            key: {n: v.mean(0).expand_as(v).clone() for n, v in found[key].items()} for key in ("product", "square")
        }
        return {**shared, "weight": found["weight"]}


@dataclass(frozen=True)
class FirstOrder(SurrogateEstimator):
    """Double control variates with α held fixed, right in itself, with hooks for what may go wrong."""

    alpha: float = 0.7

    requires = (DifferentiableCost(), KnownMean(), MinSamples(2, "the others are needed"))

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        mean, z = q.mean, q.sample((num_samples,)).requires_grad_()
        cost, event = cost_at(problem, params, z), tuple(range(-len(q.event_shape), 0))
        slope = gradient_of_sum(cost, {"z": z}, retain_graph=True)["z"]
        f, away, others = cost.detach(), z.detach() - mean.detach(), self.others(slope)
        control = (others * away).sum(event)
        baseline = _of_others(f - self.alpha * (slope * away).sum(event))
        correction = self.correction((others.mean(0) * mean).sum(event))
        return ((f - baseline - self.alpha * control) * q.log_prob(z.detach()) + cost).mean(0) + correction, state

    def others(self, slope: Tensor) -> Tensor:
        """The slope that a draw's control variate has."""
        return _of_others(slope)

    def correction(self, moved: Tensor) -> Tensor:
        """What the control variate has for a mean, as a loss: `moved` is the slope times the mean of q."""
        return self.alpha * moved


def _of_others(x: Tensor) -> Tensor:
    return (x.sum(0) - x) / (len(x) - 1)


class SlopeOfTheDrawItself(FirstOrder):
    """The slope is that of all draws, its own included: the control variate is no longer linear in the draw."""

    def others(self, slope: Tensor) -> Tensor:
        return slope.mean(0).expand_as(slope)


class MeanOfTheControlForgotten(FirstOrder):
    """The control variate is subtracted, and its mean is not added: what is left out is the linear part."""

    def correction(self, moved: Tensor) -> Tensor:
        return torch.zeros_like(moved)


class MeanOfTheControlUnscaled(FirstOrder):
    """The control variate is scaled by α, and its mean is not."""

    def correction(self, moved: Tensor) -> Tensor:
        return moved
