"""What decision problems share: a softmax policy, the return, its oracle by dynamic programming, its terms."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from gradmark.benchmarks.problems.distributions.trajectories import Environment, Trajectories, states_and_actions
from gradmark.estimators.core import Params, Problem, Term


class DecisionProblem(Problem):
    """Minus the return, expected over trajectories under a softmax policy: its gradient is the policy gradient's.

    A subclass says what the environment is. The policy starts out uniform, and is the same at every step.
    """

    @abstractmethod
    def environment(self, like: Tensor) -> Environment:
        """The environment in the dtype and device of `like`."""

    def init(self) -> Params:
        return {"logits": torch.zeros_like(self.environment(torch.zeros((), dtype=torch.float64)).rewards)}

    def distribution(self, params: Params) -> Trajectories:
        return Trajectories(params["logits"], self.environment(params["logits"]))

    def rewards_along(self, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch steps"]:
        """The reward of each step."""
        return self.environment(z).rewards[states_and_actions(z)]

    def cost(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> Float[Tensor, "*batch"]:
        return -self.rewards_along(z).sum(-1)

    def terms(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> list[Term]:
        """−r_t, which reads s_t and a_t.

        It depends on all earlier actions *through the environment*, and on no later one: weighed by what is downstream,
        the score of a_t meets Σ_{u ≥ t} r_u, the reward-to-go.
        """
        return [Term(-reward, (2 * t, 2 * t + 1)) for t, reward in enumerate(self.rewards_along(z).unbind(-1))]

    def values(self, params: Params, power: int = 1) -> list[Tensor]:
        """E[G^power | s_t = s], `[*R, states]`, for each step t: G is the reward-to-go, power 1 or 2.

            V_t(s) = Σ_a π(a|s) [r(s, a) + Σ_s' p(s'|s, a) V_{t+1}(s')],   V_{H+1} = 0

        and for the square, W_t(s) = Σ_a π(a|s) [r² + 2 r Σ_s' p V_{t+1} + Σ_s' p W_{t+1}].
        """
        policy = params["logits"].softmax(-1)
        here = self.environment(policy)
        value = square = policy.new_zeros(policy.shape[:-1])
        found: list[Tensor] = []
        for _ in range(here.horizon):
            ahead = torch.einsum("iaj,...j->...ia", here.transitions, value)
            further = torch.einsum("iaj,...j->...ia", here.transitions, square)
            value = (policy * (here.rewards + ahead)).sum(-1)
            square = (policy * (here.rewards**2 + 2 * here.rewards * ahead + further)).sum(-1)
            found.append(value if power == 1 else square)
        return found[::-1]

    def exact(self, params: Params) -> Tensor:
        return -(self.values(params)[0] @ self.environment(params["logits"]).initial)

    def return_variance(self, params: Params) -> Tensor:
        """The variance of the return under the policy, `[*R]`."""
        initial = self.environment(params["logits"]).initial
        return self.values(params, 2)[0] @ initial - self.exact(params) ** 2

    def enumerated(self, params: Params) -> Tensor:
        """The oracle once more, `[*R]`, as a sum over all trajectories; ValueError where there are more than 2^18."""
        q = self.distribution(params)
        every = q.enumerate_support()
        return (q.log_prob(every).exp() * self.cost(params, every, q)).sum(0)

    @property
    def no_oracle(self) -> None:
        return None

    @property
    def differentiable(self) -> bool:
        """Indices have no derivative."""
        return False

    @property
    def footprint(self) -> int:
        here = self.environment(torch.zeros(()))
        return here.horizon * max(here.rewards.shape[1], 2) + here.rewards.numel()


def check_probabilities(call: str, rows: Sequence[Sequence[float]], where: Sequence[str]) -> None:
    """ValueError, with the row, the number and the remedy, where a row is no probability distribution."""
    for row, name in zip(rows, where, strict=True):
        if min(row, default=-1.0) < 0:
            raise ValueError(f"{call}: {name} is {tuple(row)}, and probabilities are not negative; pass 0 or more")
        if not math.isclose(sum(row), 1.0, abs_tol=1e-9):
            raise ValueError(
                f"{call}: {name} is {tuple(row)}, which sums to {sum(row):.6g}; a row sums to 1, so divide by it"
            )


def check_table(call: str, rewards: Sequence[Sequence[float]], states: int) -> None:
    """ValueError where `rewards` has not a row for each state with as many actions."""
    actions = {len(row) for row in rewards}
    if len(rewards) != states or len(actions) != 1 or min(actions) < 1:
        raise ValueError(
            f"{call}: rewards={tuple(map(tuple, rewards))} is no table of {states} rows with a number for each action; "
            f"pass {states} rows of equal length"
        )
