"""Negative controls: wrong estimators for costs with steps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from estimators.core import Params, Problem, State, SurrogateEstimator


@dataclass(frozen=True)
class PathThroughSteps(SurrogateEstimator):
    """Reparameterizes whatever the cost is: through steps the gradient is zero, and nothing says so."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        return problem.cost(params, q.rsample((num_samples,)), q).mean(0), state
