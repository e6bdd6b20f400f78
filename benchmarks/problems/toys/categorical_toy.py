"""Independent one-hot categories and a cost that couples them, enumerated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent
from torch.nn.functional import one_hot

from gradmark.benchmarks.problems.distributions.one_hot import UnvalidatedOneHot
from gradmark.benchmarks.problems.sizes import check_sizes
from gradmark.estimators.core import Params, Problem

MOST_STATES = 2**12  # that are enumerated


@dataclass(frozen=True)
class CategoricalToy(Problem):
    """z_i ~ Categorical(softmax(logits_i)), one-hot and independent, with cost (Σ_i level(z_i) − target)².

    The C categories have the levels 0, 1/(C−1), …, 1. Parameters `logits` `[latents, C]`, at first log `probs` for each
    of the `latents`. The square couples them: each category's effect depends on the others. With one latent of two
    categories it is a `BernoulliToy`. Oracle, up to 4096 states, by enumeration:

        Σ_z Π_i p_i(z_i) (Σ_i level(z_i) − target)²

    Shapes: z `[*S, *R, latents, C]`, whose event has two axes; cost `[*S, *R]`, oracle `[*R]`.

    Raises ValueError for fewer than two categories, `probs` that do not sum to one or hold a zero, and no latents.
    """

    probs: tuple[float, ...] = (0.2, 0.5, 0.3)
    target: float = 0.45
    latents: int = 1

    def validate(self) -> None:
        if len(self.probs) < 2 or min(self.probs) <= 0 or not math.isclose(sum(self.probs), 1.0):
            raise ValueError(
                f"CategoricalToy(probs={self.probs}): two or more positive numbers that sum to 1 are wanted; "
                "use (0.2, 0.5, 0.3)"
            )
        if self.latents < 1:
            raise ValueError(f"CategoricalToy(latents={self.latents}): nothing would be drawn; pass 1 or more")
        check_sizes(self, "latents")

    def init(self) -> Params:
        return {"logits": torch.tensor([self.probs] * self.latents, dtype=torch.float64).log()}

    def distribution(self, params: Params) -> Distribution:
        return Independent(UnvalidatedOneHot(params["logits"]), 1, validate_args=False)

    def cost(self, params: Params, z: Float[Tensor, "*batch d C"], q: Distribution) -> Float[Tensor, "*batch"]:
        levels = torch.linspace(0, 1, len(self.probs), dtype=z.dtype, device=z.device)
        return ((z * levels).sum((-2, -1)) - self.target) ** 2

    def exact(self, params: Params) -> Tensor | None:
        if self.no_oracle is not None:
            return None
        logits = params["logits"].log_softmax(-1)
        each = torch.arange(len(self.probs), device=logits.device)
        states = torch.cartesian_prod(*[each] * self.latents).view(-1, self.latents)
        states = one_hot(states, len(self.probs)).to(logits)
        weight = (states * logits.unsqueeze(-3)).sum((-2, -1)).exp()
        return (weight * self.cost(params, states, self.distribution(params))).sum(-1)

    @property
    def no_oracle(self) -> str | None:
        bits = self.latents * math.log2(len(self.probs))
        if bits <= math.log2(MOST_STATES):
            return None
        states = len(self.probs) ** self.latents if bits < 50 else f"{len(self.probs)}^{self.latents}"
        return (
            f"{states} states are too many to enumerate; use fewer latents or categories, {MOST_STATES} states at most"
        )

    @property
    def footprint(self) -> int:
        return self.latents * len(self.probs)
