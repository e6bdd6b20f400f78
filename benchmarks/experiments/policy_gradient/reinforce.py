"""REINFORCE as a textbook of reinforcement learning has it: actions, rewards and returns, without a z."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Categorical

from gradmark.benchmarks.problems.distributions.trajectories import Environment


def reinforce(
    here: Environment, logits: Tensor, episodes: int, *, to_go: bool = False, values: list[Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """The trajectories `[episodes, 2H]` and the gradient of minus the mean return, in logits `[states, actions]`.

        −1/K Σ_k Σ_t (G_t − b_t(s_t)) ∇ log π(a_t|s_t)

    G_t is the return of the whole episode, or with `to_go` the sum of rewards from step t on; b_t are `values`, if
    given, one `[states]` for each step, else zero. All episodes take a step at once.

    Reference: sutton2018
    """
    policy = logits.detach().requires_grad_()
    state = Categorical(probs=here.initial.expand(episodes, -1), validate_args=False).sample()
    states, actions, scores, rewards = [], [], [], []
    for _ in range(here.horizon):
        agent = Categorical(logits=policy[state], validate_args=False)
        action = agent.sample()
        states, actions = [*states, state], [*actions, action]
        scores.append(agent.log_prob(action))
        rewards.append(here.rewards[state, action])
        state = Categorical(probs=here.transitions[state, action], validate_args=False).sample()
    reward = torch.stack(rewards)
    gains = reward.flip(0).cumsum(0).flip(0) if to_go else reward.sum(0).expand_as(reward)
    if values is not None:
        gains = gains - torch.stack([value.detach()[state] for value, state in zip(values, states, strict=True)])
    loss = -(gains * torch.stack(scores)).sum(0).mean()
    (gradient,) = torch.autograd.grad(loss, policy)
    path = torch.stack([part for pair in zip(states, actions, strict=True) for part in pair], -1)
    return path.to(logits), gradient
