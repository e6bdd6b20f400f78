"""A path through finitely many states, one-hot, each step depending on the one before."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, OneHotCategorical, constraints, register_kl
from torch.nn.functional import one_hot

from gradmark.benchmarks.problems.distributions.one_hot import UnvalidatedOneHot


class MarkovChain(Distribution):
    """z_1 ~ softmax(initial), z_{t+1} | z_t = i ~ softmax(transitions_{t, i}); event (steps, states), one-hot.

    Logits `initial` `[*batch, states]` and `transitions` `[*batch, steps − 1, states, states]`, which may differ from
    step to step: the posterior of a hidden Markov model is such a chain.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore[reportIncompatibleMethodOverride]

    def __init__(self, initial: Tensor, transitions: Tensor) -> None:
        self.initial, self.transitions = initial.log_softmax(-1), transitions.log_softmax(-1)
        batch = torch.broadcast_shapes(initial.shape[:-1], transitions.shape[:-3])
        event = torch.Size([transitions.shape[-3] + 1, initial.shape[-1]])
        super().__init__(batch, event, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(z_1) + Σ_t log p(z_{t+1} | z_t), linear in each step's one-hot vector."""
        moves = value[..., :-1, :].unsqueeze(-2) @ self.transitions @ value[..., 1:, :].unsqueeze(-1)
        return (value[..., 0, :] * self.initial).sum(-1) + moves.sum((-3, -2, -1))

    def sample(
        self, sample_shape: Any = ()
    ) -> Tensor:  # Any: a checker of sequences would draw from Python's generator
        """Draws of whole paths, `[*sample_shape, *batch, steps, states]`."""
        shape, states = torch.Size([*sample_shape, *self.batch_shape]), self.event_shape[-1]
        path = [UnvalidatedOneHot(self.initial.expand(*shape, states)).sample()]
        for step in range(self.event_shape[0] - 1):
            logits = (path[-1].unsqueeze(-2) @ self.transitions[..., step, :, :]).squeeze(-2)
            path.append(UnvalidatedOneHot(logits).sample())
        return torch.stack(path, -2)

    @property
    def mean(self) -> Tensor:
        """The probability of each state at each step, `[*batch, steps, states]`."""
        found = [self.initial.exp().expand(*self.batch_shape, -1)]
        for step in range(self.event_shape[0] - 1):
            found.append((found[-1].unsqueeze(-2) @ self.transitions[..., step, :, :].exp()).squeeze(-2))
        return torch.stack(found, -2)

    @property
    def pairs(self) -> Tensor:
        """p(z_t = i, z_{t+1} = j), `[*batch, steps − 1, states, states]`."""
        return self.mean[..., :-1, :].unsqueeze(-1) * self.transitions.exp()

    @property
    def mode(self) -> Tensor:
        """The likeliest state of each step by itself, one-hot."""
        return one_hot(self.mean.argmax(-1), self.event_shape[-1]).to(self.initial)


@register_kl(MarkovChain, MarkovChain)
def _kl_chains(q: MarkovChain, p: MarkovChain) -> Tensor:
    first = (q.initial.exp() * (q.initial - p.initial)).sum(-1)
    return first + (q.pairs * (q.transitions - p.transitions)).sum((-3, -2, -1))


@register_kl(Independent, MarkovChain)
def _kl_of_independent_steps(q: Independent, p: MarkovChain) -> Tensor:
    """q's steps are independent of each other, so that its pairs are products."""
    if not isinstance(q.base_dist, OneHotCategorical) or q.reinterpreted_batch_ndims != 1:
        raise NotImplementedError(f"KL of {type(q.base_dist).__name__} to MarkovChain: steps are one-hot vectors")
    return (q.base_dist.probs * q.base_dist.logits).sum((-2, -1)) - p.log_prob(q.base_dist.probs)
