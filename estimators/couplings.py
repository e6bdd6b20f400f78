"""Draws that two methods or more share: antithetic pairs of bits, and relaxed draws with their hard ones.

All noise is uniform, and z is a deterministic function of it: what a method draws can be replaced by the nodes of a
quadrature rule. Uniforms are kept off 0, where a logit or a logarithm would be infinite.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, OneHotCategorical
from torch.nn.functional import logsigmoid, one_hot


def uniform(like: Tensor, num_samples: int) -> Float[Tensor, "samples ..."]:
    """Uniforms on (0, 1) for each number of `like`, `[num_samples, *like.shape]`."""
    u = torch.rand(num_samples, *like.shape, dtype=like.dtype, device=like.device)
    return u.clamp_min(torch.finfo(like.dtype).tiny)


def antithetic_bits(
    logits: Float[Tensor, "*batch d"], pairs: int
) -> tuple[Float[Tensor, "pairs *batch d"], Float[Tensor, "pairs *batch d"], Float[Tensor, "pairs *batch d"]]:
    """u, and the bits b = 1[u > 1 − p] and b̃ = 1[u < p] of the same u: each Bernoulli(p), p = σ(logits)."""
    logits = logits.detach()
    u = uniform(logits, pairs)
    return u, (u > (-logits).sigmoid()).to(logits), (u < logits.sigmoid()).to(logits)


@dataclass(frozen=True)
class Relaxation(ABC):
    """A discrete draw as a deterministic function of a continuous one: b = hard(z), z = logits + noise.

    The noise's distribution is free of the parameters, so that z, and z̃ drawn anew given b, can be differentiated in
    the logits.
    """

    logits: Tensor  # [*R, *B, *event]

    @abstractmethod
    def noisy(self, num_samples: int) -> Tensor:
        """z `[num_samples, *R, *B, *event]`, differentiable in the logits."""

    @abstractmethod
    def hard(self, z: Tensor) -> Tensor:
        """b, the state that z falls into: a constant."""

    @abstractmethod
    def given(self, b: Tensor) -> Tensor:
        """z̃ from p(z | b), with noise of its own; differentiable in the logits, which p(z | b) depends on."""

    @abstractmethod
    def soft(self, z: Tensor, temperature: Tensor | float) -> Tensor:
        """A smooth stand-in for `hard(z)`, which it becomes as the temperature (broadcast against z) goes to 0."""

    @abstractmethod
    def log_prob(self, b: Tensor) -> Tensor:
        """log q of each site's state, differentiable in the logits; an axis of size 1 where a site has categories."""

    @abstractmethod
    def gapped(self, b: Tensor, gap: float) -> Tensor:
        """The logits, moved by constants until the state b is the largest, by at least `gap`."""

    @property
    def mean(self) -> Tensor:
        """The mean of b, differentiable in the logits."""
        return self.soft(self.logits, 1.0)


class LogisticBits(Relaxation):
    """Independent bits: z = logit + Logistic(0, 1), b = 1[z > 0]; softened, the binary Concrete distribution."""

    def noisy(self, num_samples: int) -> Tensor:
        return self.logits + uniform(self.logits, num_samples).logit()

    def hard(self, z: Tensor) -> Tensor:
        return (z > 0).to(z)

    def given(self, b: Tensor) -> Tensor:
        """±softplus(logit(v) + softplus(±logits)), the sign that of b: the logistic truncated to b's side of 0."""
        sign = 2 * b - 1
        noise = uniform(self.logits, len(b)).logit()
        return -sign * logsigmoid(logsigmoid(-sign * self.logits) - noise)  # softplus(x) = −logsigmoid(−x)

    def soft(self, z: Tensor, temperature: Tensor | float) -> Tensor:
        return (z / temperature).sigmoid()

    def log_prob(self, b: Tensor) -> Tensor:
        return logsigmoid((2 * b - 1) * self.logits)

    def gapped(self, b: Tensor, gap: float) -> Tensor:
        sign, held = 2 * b - 1, self.logits.detach()
        return self.logits + (sign * (sign * held).clamp_min(gap) - held)


class GumbelOneHot(Relaxation):
    """One-hot categories: z = log p + Gumbel(0, 1), b = argmax z; softened, the Concrete distribution."""

    def noisy(self, num_samples: int) -> Tensor:
        return self.logits - (-uniform(self.logits, num_samples).log()).log()

    def hard(self, z: Tensor) -> Tensor:
        return one_hot(z.argmax(-1), z.shape[-1]).to(z)

    def given(self, b: Tensor) -> Tensor:
        """With E ~ Exponential(1): −log E_b for the chosen category, −log(E_i / p_i + E_b) for the others."""
        log_e = (-uniform(self.logits, len(b)).log()).log()
        chosen = (log_e * b).sum(-1, keepdim=True)
        return torch.where(b > 0, -chosen, -torch.logaddexp(log_e - self.logits, chosen))

    def soft(self, z: Tensor, temperature: Tensor | float) -> Tensor:
        return (z / temperature).softmax(-1)

    def log_prob(self, b: Tensor) -> Tensor:
        return (b * self.logits).sum(-1, keepdim=True)

    def gapped(self, b: Tensor, gap: float) -> Tensor:
        held = self.logits.detach()
        largest = held.amax(-1, keepdim=True)
        return self.logits + (torch.where(b > 0, largest, torch.minimum(held, largest - gap)) - held)


def relaxation(q: Distribution) -> Relaxation | None:
    """How q's draws are relaxed, where q is made of independent bits or of one-hot categories; else None."""
    factor = q.base_dist if isinstance(q, Independent) else q
    if isinstance(factor, Bernoulli) and q.event_shape:
        return LogisticBits(cast(Tensor, factor.logits))
    if isinstance(factor, OneHotCategorical):
        return GumbelOneHot(cast(Tensor, factor.logits))  # normalised
    return None
