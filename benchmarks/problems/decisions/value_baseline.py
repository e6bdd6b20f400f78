"""The cost of a decision problem split otherwise: a baseline for policy gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from gradmark.benchmarks.problems.decisions.base import DecisionProblem
from gradmark.benchmarks.problems.distributions.trajectories import Environment, states_and_actions
from gradmark.estimators.core import Params, Term


@dataclass(frozen=True)
class ValueBaseline(DecisionProblem):
    """`problem` with its cost in other terms, which hold the policy's value function: a baseline for each step.

    With V_t(s) = E[r_t + … + r_H | s_t = s] under the policy, and V_{H+1} = 0, minus the return is

        −Σ_t r_t = −V_1(s_1) − Σ_t [r_t + V_{t+1}(s_{t+1}) − V_t(s_t)]

    Cost, gradient and oracle are those of `problem`, and so are its parameters. A Rao-Blackwellised score function
    weighs the score of a_t by the terms downstream of it, whose sum from t on is the reward-to-go less V_t(s_t): a
    baseline that does not depend on a_t.

    Shapes: those of `problem`.

    Reference: sutton2000
    """

    problem: DecisionProblem

    def environment(self, like: Tensor) -> Environment:
        return self.problem.environment(like)

    def terms(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> list[Term]:
        rewards, values = self.rewards_along(z).unbind(-1), self._values_along(params, z)
        last = len(rewards) - 1
        steps = [
            Term(values[t] - reward - (values[t + 1] if t < last else 0.0), tuple(range(2 * t, 2 * t + 2 + (t < last))))
            for t, reward in enumerate(rewards)
        ]
        return [Term(-values[0], (0,)), *steps]

    def _values_along(self, params: Params, z: Tensor) -> Sequence[Tensor]:
        """V_t(s_t) of each step, `[*S, *R]`, as constants."""
        values = torch.stack(self.values({name: value.detach() for name, value in params.items()}), -2)
        states, _ = states_and_actions(z)
        wide = values.expand(*states.shape[:-1], *values.shape[-2:])
        return wide.gather(-1, states.unsqueeze(-1)).squeeze(-1).unbind(-1)
