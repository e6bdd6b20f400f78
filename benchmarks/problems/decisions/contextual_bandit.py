"""A contextual bandit under a softmax policy: the policy gradient at its shortest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.benchmarks.problems.decisions.base import (
    DecisionProblem,
    check_probabilities,
    check_table,
)
from gradmark.benchmarks.problems.distributions.trajectories import Environment


@dataclass(frozen=True)
class ContextualBandit(DecisionProblem):
    """A context s ~ `contexts`, an action a ~ softmax(logits_s), and cost −r(s, a): z = (s, a), as indices.

    Parameters `logits` `[contexts, actions]`, at first zero: a uniform policy. Oracle, a sum over contexts and actions:

        −Σ_s p(s) Σ_a π(a|s) r(s, a)

    Shapes: z `[*S, *R, 2]`, cost `[*S, *R]`, oracle `[*R]`.

    Raises ValueError for probabilities that are negative or do not sum to one, and a table that does not fit them.

    Reference: williams1992
    """

    contexts: tuple[float, ...] = (0.5, 0.3, 0.2)
    rewards: tuple[tuple[float, ...], ...] = ((1.0, 2.0), (3.0, 0.5), (0.0, 4.0))

    def validate(self) -> None:
        check_probabilities("ContextualBandit", [self.contexts], ["contexts"])
        check_table("ContextualBandit", self.rewards, len(self.contexts))

    def environment(self, like: Tensor) -> Environment:
        contexts, rewards = (
            torch.tensor(table, dtype=like.dtype, device=like.device) for table in (self.contexts, self.rewards)
        )
        nowhere = contexts.expand(*rewards.shape, len(contexts))  # after the only step
        return Environment(contexts, nowhere, rewards, 1)
