"""A trajectory under a softmax policy: states that the environment draws, and actions that the policy draws."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, constraints

MOST_PATHS = 2**18  # that are enumerated


class Environment(NamedTuple):
    """What answers to a policy's actions: it has no parameters that are learned."""

    initial: Tensor  # probability of each first state, [states]
    transitions: Tensor  # probability of the next state, [states, actions, states]
    rewards: Tensor  # [states, actions]
    horizon: int

    @property
    def paths(self) -> int:
        """How many trajectories there are, impossible ones included."""
        return self.rewards.numel() ** self.horizon


class Trajectories(Distribution):
    """s_1 ~ initial, a_t ~ softmax(logits of s_t), s_{t+1} ~ transitions(s_t, a_t), with z = (s_1, a_1, s_2, a_2, …).

        q(z) = p(s_1) Π_t π(a_t | s_t) p(s_{t+1} | s_t, a_t)

    z `[*S, *R, 2H]` holds indices as numbers, logits are `[*R, states, actions]`. Each coordinate is a stage of its
    own, so that whatever is read late depends on all that was drawn before: dependence goes through the environment.
    Only the sites of actions have parameters; those of states have the score zero.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore[reportIncompatibleMethodOverride]

    def __init__(self, logits: Tensor, environment: Environment) -> None:
        self.logits, self.environment = logits, environment
        super().__init__(logits.shape[:-2], torch.Size([2 * environment.horizon]), validate_args=False)

    @property
    def stages(self) -> tuple[int, ...]:
        """The order of the draws."""
        return tuple(range(2 * self.environment.horizon))

    def sample(
        self, sample_shape: Any = ()
    ) -> Tensor:  # Any: a checker of sequences would draw from Python's generator
        """Whole trajectories, `[*sample_shape, *R, 2H]`: every step draws for all of them at once, replicates first."""
        shape, here = torch.Size(sample_shape), self.environment
        with torch.no_grad():
            probs, path = here.initial.expand(*self.batch_shape, shape.numel(), -1), []
            for _ in range(here.horizon):
                state = Categorical(probs=probs, validate_args=False).sample()
                action = Categorical(logits=rows_of(self.logits, state), validate_args=False).sample()
                probs, path = here.transitions[state, action], [*path, state, action]
            drawn = torch.stack(path, -1).to(self.logits).movedim(-2, 0)
            return drawn.reshape(*shape, *self.batch_shape, -1)

    def log_prob_by_site(self, z: Tensor) -> Tensor:
        """log q of each coordinate given those before it: z `[*S, *R, 2H]` to `[*S, *R, 2H]`."""
        here, (state, action) = self.environment, states_and_actions(z)
        policy = rows_of(self.logits.log_softmax(-1), state).gather(-1, action.unsqueeze(-1)).squeeze(-1)
        moved = here.transitions.log()[state[..., :-1], action[..., :-1], state[..., 1:]]
        of_states = torch.cat([here.initial.log()[state[..., :1]], moved], -1)
        return torch.stack([of_states.expand_as(policy), policy], -1).flatten(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        """log q(z): `[*S, *R, 2H]` to `[*S, *R]`."""
        return self.log_prob_by_site(value).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All trajectories, `[paths, *R, 2H]`, impossible ones included; without `expand` `[paths, 1, …, 2H]`.

        Raises ValueError for more than 2^18.
        """
        here, ones = self.environment, [1] * len(self.batch_shape)
        if here.paths > MOST_PATHS:
            raise ValueError(
                f"Trajectories.enumerate_support(): {here.paths} paths are too many to enumerate, {MOST_PATHS} (2^18) "
                "at the most; use the problem's exact(), which is dynamic programming, or a shorter horizon"
            )
        sizes = here.rewards.shape * here.horizon
        every = torch.cartesian_prod(*(torch.arange(size, device=self.logits.device) for size in sizes))
        every = every.to(self.logits).reshape(-1, *ones, len(sizes))
        return every.expand(-1, *self.batch_shape, -1) if expand else every


def states_and_actions(z: Tensor) -> tuple[Tensor, Tensor]:
    """The indices of the states and those of the actions, `[*S, *R, H]` each."""
    index = z.detach().round().long()
    return index[..., 0::2], index[..., 1::2]


def rows_of(table: Tensor, state: Tensor) -> Tensor:
    """Each replicate's rows of its own table `[*R, states, C]`: state `[*S, *R, n]` to `[*S, *R, n, C]`."""
    wide = table.expand(*state.shape[:-1], *table.shape[-2:])
    return wide.gather(-2, state.unsqueeze(-1).expand(*state.shape, table.shape[-1]))
