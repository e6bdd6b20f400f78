"""The score function as a user writes it, in a file of the current folder: every command finds it by one rule.

gradmark check 'own_estimator.Mine()' --against 'BernoulliToy()'
gradmark measure --problem 'BernoulliToy()' --estimator 'own_estimator.Mine()'
gradmark run own_estimator.toml --plugins .
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Params, Problem, State, SurrogateEstimator, detached


@dataclass(frozen=True)
class Mine(SurrogateEstimator):
    """REINFORCE, and the cost's own gradient."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        return (cost.detach() * q.log_prob(z) + cost).mean(0), state
