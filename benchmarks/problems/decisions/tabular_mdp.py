"""A finite Markov decision process with a horizon, under a softmax policy: dynamic programming knows its gradient."""

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
from gradmark.benchmarks.problems.sizes import MOST_STEPS, check_at_most

Row = tuple[float, ...]


@dataclass(frozen=True)
class TabularMDP(DecisionProblem):
    """`horizon` steps of a ~ softmax(logits_s), s' ~ transitions(s, a), with cost minus the sum of rewards r(s, a).

    z = (s_1, a_1, …, s_H, a_H), as indices. Parameters `logits` `[states, actions]`, at first zero, the same at each
    step. The default is a small river: to the left one goes at will, for little; to the right, against the stream,
    lies the large reward. Oracle, by dynamic programming:

        V_t(s) = Σ_a π(a|s) [r(s, a) + Σ_s' p(s'|s, a) V_{t+1}(s')],   E[cost] = −Σ_s p(s_1 = s) V_1(s)

    Shapes: z `[*S, *R, 2 horizon]`, cost `[*S, *R]`, oracle `[*R]`.

    Raises ValueError for probabilities that are negative or do not sum to one, tables that do not fit each other, and
    a horizon below 1.

    Reference: strehl2008 (the river)
    """

    transitions: tuple[tuple[Row, ...], ...] = (
        ((1.0, 0.0, 0.0), (0.4, 0.6, 0.0)),
        ((1.0, 0.0, 0.0), (0.05, 0.6, 0.35)),
        ((0.0, 1.0, 0.0), (0.0, 0.4, 0.6)),
    )
    rewards: tuple[Row, ...] = ((0.2, 0.0), (0.0, 0.0), (0.0, 1.0))
    initial: Row = (0.6, 0.3, 0.1)
    horizon: int = 4

    def validate(self) -> None:
        states = len(self.initial)
        check_probabilities("TabularMDP", [self.initial], ["initial"])
        check_table("TabularMDP", self.rewards, states)
        actions = len(self.rewards[0])
        sizes = {len(of_state) for of_state in self.transitions}, {len(row) for s in self.transitions for row in s}
        if len(self.transitions) != states or sizes != ({actions}, {states}):
            raise ValueError(
                f"TabularMDP: transitions are for {len(self.transitions)} states with {sorted(sizes[0])} actions that "
                f"lead to {sorted(sizes[1])} states; initial and rewards have {states} states and {actions} actions, "
                "so pass transitions[state][action][next state] of these sizes"
            )
        for s, of_state in enumerate(self.transitions):
            check_probabilities("TabularMDP", of_state, [f"transitions[{s}][{a}]" for a in range(actions)])
        if self.horizon < 1:
            raise ValueError(f"TabularMDP(horizon={self.horizon}): nothing would be decided; pass 1 or more")
        check_at_most(self, MOST_STEPS, "the steps are taken one by one", horizon=self.horizon)

    def environment(self, like: Tensor) -> Environment:
        initial, transitions, rewards = (
            torch.tensor(table, dtype=like.dtype, device=like.device)
            for table in (self.initial, self.transitions, self.rewards)
        )
        return Environment(initial, transitions, rewards, self.horizon)
