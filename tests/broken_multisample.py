"""Negative controls: wrong estimators of several draws, of weak derivatives and of learned baselines, one bug each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor

from gradmark.estimators.core import (
    MINUS_IMPORTANCE_WEIGHTED_BOUND,
    LatentVariableModel,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
)
from gradmark.estimators.requirements import reparameterizable


@dataclass(frozen=True)
class Variance(SurrogateEstimator):
    """Half the variance of the cost over draws, with hooks for what may go wrong."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return None if isinstance(problem, LatentVariableModel) and num_samples > 1 else "needs an ELBO and two draws"

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


# Bounds of several draws


@dataclass(frozen=True)
class Doubly(SurrogateEstimator):
    """The doubly reparameterized bound, as two losses, with hooks for what may go wrong; without minibatches."""

    target = MINUS_IMPORTANCE_WEIGHTED_BOUND

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        fits = isinstance(problem, LatentVariableModel) and reparameterizable(problem)
        return None if fits else "needs an ELBO and rsample"

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

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return None if isinstance(problem, LatentVariableModel) and num_samples > 1 else "needs an ELBO and two draws"

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
