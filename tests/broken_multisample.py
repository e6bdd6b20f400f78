"""Negative controls: wrong estimators of several draws, of weak derivatives and of learned baselines, one bug each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor

from estimators.core import LatentVariableModel, Params, Problem, State, SurrogateEstimator


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
