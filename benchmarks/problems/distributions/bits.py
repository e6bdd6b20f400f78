"""Distributions of bits that are not independent: drawn in stages, or with a probability for each state."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, constraints, register_kl
from torch.nn.functional import logsigmoid


def states_of_bits(number: int, like: Tensor, first: int = 0, last: int | None = None) -> Tensor:
    """The states of `number` bits, `[2^number, number]`, in the dtype and device of `like`; the first bit is lowest.

    All of them, or the bits of the numbers `first` to `last` − 1.
    """
    each = torch.arange(first, 2**number if last is None else last, device=like.device).unsqueeze(-1)
    return (each >> torch.arange(number, device=like.device) & 1).to(like)


class Bits(Distribution):
    """What torch asks of every distribution, for vectors of bits: nothing to validate, and where z lives."""

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """None."""
        return {}

    @property
    def support(self) -> constraints.Constraint:
        """Vectors of zeros and ones."""
        return constraints.independent(constraints.boolean, 1)


class StagedBits(Bits):
    """Bits drawn in stages: those of one stage are independent, with logits that the stages before decide.

        q(z) = Π_i Bernoulli(z_i; σ(logits(z)_i))

    `stages` says in which stage each coordinate is drawn, and `logits` maps z `[*S, *R, *B, d]` to the logits of all
    coordinates, in the same shape, each a function of coordinates of earlier stages alone. `batch` is `(*R, *B)`.
    """

    has_enumerate_support = True

    def __init__(
        self, logits: Callable[[Tensor], Tensor], stages: Sequence[int], batch: Sequence[int], like: Tensor
    ) -> None:
        self.stages, self._logits, self._like = tuple(stages), logits, like.detach()
        super().__init__(torch.Size(batch), torch.Size([len(self.stages)]), validate_args=False)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """z `[*S, *R, *B, d]`, stage after stage."""
        with torch.no_grad():
            z = self._like.new_zeros(self._extended_shape(torch.Size(sample_shape)))
            for stage in sorted(set(self.stages)):
                drawn = [i for i, own in enumerate(self.stages) if own == stage]
                z[..., drawn] = torch.bernoulli(self._logits(z)[..., drawn].sigmoid())
        return z

    def log_prob_by_site(self, z: Tensor) -> Tensor:
        """log q of each bit given the stages before its own: z `[*S, *R, *B, d]` to `[*S, *R, *B, d]`."""
        logits = self._logits(z)
        return z * logits + logsigmoid(-logits)

    def log_prob(self, value: Tensor) -> Tensor:
        """log q(z): `[*S, *R, *B, d]` to `[*S, *R, *B]`."""
        return self.log_prob_by_site(value).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All states, `[2^d, *R, *B, d]`; without `expand` `[2^d, 1, …, d]`."""
        states = states_of_bits(len(self.stages), self._like)
        states = states.reshape(len(states), *[1] * len(self.batch_shape), -1)
        return states.expand(-1, *self.batch_shape, -1) if expand else states


@register_kl(StagedBits, StagedBits)
def _divergence(q: StagedBits, p: StagedBits) -> Tensor:
    """KL(q ‖ p) as the sum over all states, `[*R, *B]`."""
    states = q.enumerate_support()
    log_q = q.log_prob(states)
    return (log_q.exp() * (log_q - p.log_prob(states))).sum(0)


class EnumeratedBits(Bits):
    """d bits whose 2^d states have a probability each: `logits` `[*R, *B, 2^d]`, in the order of `states_of_bits`."""

    def __init__(self, logits: Tensor) -> None:
        self._state = Categorical(logits=logits, validate_args=False)
        self._bits = states_of_bits(logits.shape[-1].bit_length() - 1, logits)
        super().__init__(self._state.batch_shape, self._bits.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The probability that each bit is one, `[*R, *B, d]`."""
        return self._state.probs @ self._bits

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """z `[*S, *R, *B, d]`."""
        return self._bits[self._state.sample(torch.Size(sample_shape))]

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(z): `[*S, *R, *B, d]` to `[*S, *R, *B]`."""
        weight = 2 ** torch.arange(value.shape[-1], device=value.device)
        return self._state.log_prob((value.long() * weight).sum(-1))
