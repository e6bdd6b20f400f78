"""A distribution over finitely many vectors, all of them written down: what an exact discrete posterior is."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, constraints, register_kl

MOST_NUMBERS = 2**22  # in one tensor over states: 32 MiB
ROUNDING = 1e-6  # by which a sum of probabilities may differ from one and still be taken for it


class Enumerated(Distribution):
    """z is row s of `support` `[states, *event]` with the probability softmax(logits)_s, logits `[*batch, states]`.

    Rows of `support` are different from each other. Draws are z itself, not its index, and have no `rsample`. A value
    that is no row of `support` has the log probability −∞. Raises ValueError where logits and support do not fit.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}  # pyright: ignore[reportIncompatibleMethodOverride]
    has_enumerate_support = True

    def __init__(self, support: Tensor, logits: Tensor, validate_args: bool | None = False) -> None:
        if logits.shape[-1] != len(support):
            raise ValueError(
                f"Enumerated(support={list(support.shape)}, logits={list(logits.shape)}): the last axis of logits is "
                f"the first of support; pass {len(support)} logits"
            )
        self.states = support
        self.logits = logits.log_softmax(-1)
        super().__init__(logits.shape[:-1], support.shape[1:], validate_args=validate_args)

    @classmethod
    def table(cls, p: Distribution, support: Tensor) -> Enumerated:
        """p written down: `support` has to hold every value that p can take."""
        return cls(support, log_probs(p, support))

    @property
    def probs(self) -> Tensor:
        """The probability of each state, `[*batch, states]`."""
        return self.logits.exp()

    def expect(self, values: Tensor) -> Tensor:
        """Σ_s p_s values_s over the last axis, `[*batch]`; a state without probability counts nothing."""
        return torch.where(self.logits == -torch.inf, 0.0, self.probs * values).sum(-1)

    @property
    def mean(self) -> Tensor:
        """E[z], `[*batch, *event]`."""
        return (self.probs @ self.states.flatten(1)).unflatten(-1, self.event_shape)

    @property
    def variance(self) -> Tensor:
        """Var z, `[*batch, *event]`, summed around the mean."""
        away = self.states.flatten(1) - self.mean.flatten(-len(self.event_shape)).unsqueeze(-2)
        return (self.probs.unsqueeze(-1) * away**2).sum(-2).unflatten(-1, self.event_shape)

    def entropy(self) -> Tensor:
        """−Σ_s p_s log p_s, `[*batch]`."""
        return -self.expect(self.logits)

    def sample(
        self, sample_shape: Any = ()
    ) -> Tensor:  # Any: a checker of sequences would draw from Python's generator
        """Draws of z, `[*sample_shape, *batch, *event]`."""
        return self.states[Categorical(logits=self.logits, validate_args=False).sample(torch.Size(sample_shape))]

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(z), `[*value's batch]`."""
        axes = len(self.event_shape)
        same = (value.unsqueeze(-axes - 1) == self.states).flatten(-axes).all(-1)
        return self.logits.masked_fill(~same, -torch.inf).logsumexp(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All z, `[states, *batch, *event]`, the batch axes of size 1 where not expanded."""
        ones = self.states.reshape(len(self.states), *[1] * len(self.batch_shape), *self.event_shape)
        return ones.expand(len(self.states), *self._extended_shape()) if expand else ones

    def expand(self, batch_shape: Any, _instance: None = None) -> Enumerated:
        """The same with more batch axes."""
        return Enumerated(self.states, self.logits.expand(*batch_shape, len(self.states)), self._validate_args)


def log_probs(p: Distribution, states: Tensor) -> Tensor:
    """log p(z) for every row of `states` `[states, *event]`: `[*batch, states]`, some states at a time."""
    if isinstance(p, Enumerated) and p.states.shape == states.shape and bool((p.states == states).all()):
        return p.logits
    ones = states.reshape(len(states), *[1] * len(p.batch_shape), *states.shape[1:])
    size = max(1, MOST_NUMBERS // max(p.batch_shape.numel() * p.event_shape.numel(), 1))
    return torch.cat([p.log_prob(part) for part in ones.split(size)]).movedim(0, -1)


@register_kl(Distribution, Enumerated)
def _kl_to_enumerated(q: Distribution, p: Enumerated) -> Tensor:
    """Σ_s q(z_s) [log q(z_s) − log p(z_s)]; infinite where q can be elsewhere."""
    log_q = log_probs(q, p.states)
    within = log_q.exp().sum(-1) > 1 - ROUNDING
    terms = torch.where(log_q == -torch.inf, 0.0, log_q.exp() * (log_q - p.logits))
    return torch.where(within, terms.sum(-1), torch.inf)


@register_kl(Enumerated, Distribution)
def _kl_from_enumerated(q: Enumerated, p: Distribution) -> Tensor:
    """Σ_s q_s [log q_s − log p(z_s)]."""
    return q.expect(q.logits - log_probs(p, q.states))


@register_kl(Enumerated, Enumerated)
def _kl_enumerated(q: Enumerated, p: Enumerated) -> Tensor:
    """Over q's support, whatever the order of p's."""
    return q.expect(q.logits - log_probs(p, q.states))
