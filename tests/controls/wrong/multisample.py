"""Wrong estimators that use several draws at once; `Variance`, `Doubly` and `Objectives` are right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from gradmark.estimators import (
    IWAE,
    VIMCO,
    DReG,
    VarGrad,
)
from gradmark.estimators.core import (
    MINUS_IMPORTANCE_WEIGHTED_BOUND,
    LatentVariableModel,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
)
from gradmark.estimators.multisample.vimco import _bounds_of_the_others
from gradmark.estimators.requirements import ELBO, MinSamples, Reparameterizable
from tests.controls.wrong.base import Loss


@dataclass(frozen=True)
class Variance(SurrogateEstimator):
    """Half the variance of the cost over draws, with hooks for what may go wrong."""

    requires = (ELBO(), MinSamples(2, "the others are needed"))

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        return self.loss(q.log_prob(z), cast(LatentVariableModel, problem).log_joint(params, z)), state

    def loss(self, log_q: Tensor, joint: Tensor) -> Tensor:
        """The loss of log q and log p."""
        return (log_q - joint.detach()).var(0, correction=1) / 2 - joint.mean(0)


class VarianceOfThePopulation(Variance):
    """The variance is divided by K instead of K − 1: q's gradient shrinks by (K − 1)/K."""

    def loss(self, log_q: Tensor, joint: Tensor) -> Tensor:
        return (log_q - joint.detach()).var(0, correction=0) / 2 - joint.mean(0)


class HalfForgotten(Variance):
    """The variance is not halved: twice the gradient for q's parameters."""

    def loss(self, log_q: Tensor, joint: Tensor) -> Tensor:
        return (log_q - joint.detach()).var(0, correction=1) - joint.mean(0)


class ModelThroughTheVariance(Variance):
    """The model learns from the variance, too: its gradient is a covariance."""

    def loss(self, log_q: Tensor, joint: Tensor) -> Tensor:
        return (log_q - joint).var(0, correction=1) / 2


@dataclass(frozen=True)
class Doubly(SurrogateEstimator):
    """The doubly reparameterized bound, as two losses, with hooks for what may go wrong; without minibatches."""

    target = MINUS_IMPORTANCE_WEIGHTED_BOUND

    requires = (ELBO(), Reparameterizable())

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).rsample((num_samples,))
        held = problem.distribution(detached(params))
        path = problem.cost(detached(params), z, held)
        normalized = (-path).detach().softmax(0)
        model = problem.cost(params, z.detach(), held)
        return (self.of_q(normalized) * path + self.of_model(normalized) * model).sum(0), state

    def of_q(self, normalized: Tensor) -> Tensor:
        """The weight of each path."""
        return normalized**2

    def of_model(self, normalized: Tensor) -> Tensor:
        """The weight of each log p(x, z)."""
        return normalized


class WeightNotSquared(Doubly):
    """The weight of the path is not squared: the biased gradient that sticks the landing of each draw."""

    def of_q(self, normalized: Tensor) -> Tensor:
        return normalized


class ModelSquared(Doubly):
    """The model's weights are squared with q's: its gradient shrinks."""

    def of_model(self, normalized: Tensor) -> Tensor:
        return normalized**2


class MeanOverPaths(Doubly):
    """The draws are averaged although their weights sum to one: the gradient over K."""

    def of_q(self, normalized: Tensor) -> Tensor:
        return normalized**2 / len(normalized)

    def of_model(self, normalized: Tensor) -> Tensor:
        return normalized / len(normalized)


@dataclass(frozen=True)
class Objectives(SurrogateEstimator):
    """The score function for the bound, with hooks for what may go wrong; without minibatches."""

    target = MINUS_IMPORTANCE_WEIGHTED_BOUND

    requires = (ELBO(), MinSamples(2, "the others are needed"))

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        log_w = -problem.cost(params, z, q)
        held = log_w.detach()
        signal = held.exp().mean(0).log() - self.baseline(held)
        return -((signal * q.log_prob(z)).sum(0) + self.bound(problem, params, z, log_w)), state

    def baseline(self, log_w: Tensor) -> Tensor:
        """L_{−k}."""
        count = len(log_w)
        others = (log_w.sum(0) - log_w) / (count - 1)
        return ((log_w.exp().sum(0) - log_w.exp() + others.exp()) / count).log()

    def bound(self, problem: Problem, params: Params, z: Tensor, log_w: Tensor) -> Tensor:
        """The bound at fixed draws, whose gradient is Σ w̄ ∂ log w."""
        return log_w.logsumexp(0)


class WeightsForgotten(Objectives):
    """The second term, Σ w̄ ∂ log w, is left out: the model never learns, and q's gradient lacks −w̄ s."""

    def bound(self, problem: Problem, params: Params, z: Tensor, log_w: Tensor) -> Tensor:
        return 0 * log_w.sum(0)


class WeightsForModelAlone(Objectives):
    """The second term is given to the model alone: q is detached in the cost, as for the ELBO."""

    def bound(self, problem: Problem, params: Params, z: Tensor, log_w: Tensor) -> Tensor:
        return (-problem.cost(params, z, problem.distribution(detached(params)))).logsumexp(0)


class WrongPrecedence(Objectives):
    """The mean of the others is added to one draw of them too many: a baseline that depends on its own draw."""

    def baseline(self, log_w: Tensor) -> Tensor:
        count = len(log_w)
        others = log_w.sum(0) - log_w / (count - 1)
        return ((log_w.exp().sum(0) - log_w.exp() + others.exp()) / count).log()


@dataclass(frozen=True)
class IWAEOfTruncatedWeights(IWAE):
    """Truncates the weights at √K times their mean, as is done to tame importance sampling."""

    # where one weight is more than 1/√K of the sum its path is cut: another bound, and not that of the target
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        row = cast(LatentVariableModel, problem).latent_weight
        log_w = -problem.cost(params, q.rsample((num_samples,)), q) / row
        most = log_w.detach().logsumexp(0) - math.log(num_samples) / 2
        log_w = torch.where(log_w > most, most, log_w)
        return row * (math.log(num_samples) - log_w.logsumexp(0)), state


@dataclass(frozen=True)
class PooledVarGrad(VarGrad):
    """The variance is taken over draws and rows together instead of for each row."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        model = cast(LatentVariableModel, problem)
        q = model.distribution(params)
        z = q.sample((num_samples,))
        joint = model.log_joint(params, z)
        f = q.log_prob(z) * model.latent_weight - joint.detach()
        # The variance, more than one row. With N = KB numbers Σ (f − f̄)² B/(2(N − 1)) has the mean gradient Σ_b G_b
        # (the factor 1 − 1/N of one's own f cancels): unbiased. But rows have different −log p(x), which are now part
        # of the "variance": where q is the posterior, f is constant within each row only, and the gradient is not zero.
        axes = (0, -1) if model.per_row else (0,)
        rows = f.shape[-1] if model.per_row else 1
        pooled = (f - f.mean(axes, keepdim=True)).square().sum(0) * rows / (2 * (num_samples * rows - 1))
        return pooled / model.latent_weight - joint.mean(0), state


@dataclass(frozen=True)
class UnderflowingIWAE(IWAE):
    """Before exp, log w is shifted by its maximum over draws *and rows*, and `tiny` guards the logarithm."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        model, q = cast(LatentVariableModel, problem), problem.distribution(params)
        log_w = -problem.cost(params, q.rsample((num_samples,)), q) / model.latent_weight
        # The mean is off, float32 and rows that cost some 87 nats more than the best row (float64: 708). There exp(log
        # w − shift) underflows below `tiny`, and the slope exp(…)/(mean + tiny) goes to 0: the row's gradient is lost,
        # without a NaN. Where rows are alike, where they share z, and nearly always in float64, it is IWAE to the last
        # bits.
        shift = log_w.detach().amax((0, -1) if model.per_row else 0, keepdim=True)
        mean = (log_w - shift).exp().mean(0) + torch.finfo(log_w.dtype).tiny
        return -model.latent_weight * (mean.log() + shift.squeeze(0)), state


@dataclass(frozen=True)
class WeightedRowsVIMCO(VIMCO):
    """A minibatch's factor rows/size stays inside the logarithm: the weights are raised to its power."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        # The mean is off, a minibatch only. The cost of a row that stands for c rows is c times as large, and the bound
        # wanted is c log 1/K Σ w_k; this one is log 1/K Σ w_k^c, which is more by Jensen, and closer to c max_k log
        # w_k. With all rows c = 1 and it is right; for K = 1 it would be, too.
        log_w = -problem.cost(params, z, q)
        bound = log_w.logsumexp(0) - math.log(num_samples)
        added = bound.detach() - _bounds_of_the_others(log_w.detach())
        return -((added * q.log_prob(z)).sum(0) + bound), state


@dataclass(frozen=True)
class DReGSquaredForAll(DReG):
    """The squared weights are put on log w itself, and so on the model's gradient as well."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        row = cast(LatentVariableModel, problem).latent_weight
        z = problem.distribution(params).rsample((num_samples,))
        log_w = -problem.cost(params, z, problem.distribution(detached(params))) / row
        # The mean is off, the model's parameters, K >= 2. The square belongs to the path of q (the score,
        # reparameterized once more); at fixed z the gradient of log 1/K Σ w is Σ w̄ ∂ log p, and Σ w̄² < 1 shrinks it,
        # towards 1/K for even weights. q's parameters are right, and so is K = 1.
        squared = log_w.detach().softmax(0).square()
        return -row * (squared * log_w).sum(0), state
