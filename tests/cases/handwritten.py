"""Problems whose q is written by hand, with nothing but `sample` and `log_prob`, and whose z is of an unusual form.

`Codes`: z is an integer, one for each of four rows, of four categories: as many as there are draws in a check.
Exact: Σ_rows Σ_c p(row, c) TABLE[c]. `Matrix`: z is a 2 x 2 matrix of Gaussians with one scale of shape (), and the
cost (tr z − 1)². Exact: (tr loc − 1)² + 2 scale². `Rare`: a bit of probability 10⁻⁵ and the cost z. Exact: p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, Normal

from gradmark.estimators.core import Params, Problem

TABLE = (0.3, -1.2, 2.0, 0.9)


class Handwritten(Distribution):
    """Integers `[…, 1]` of given logits, without support, mean, variance, entropy or enumeration."""

    def __init__(self, logits: Tensor) -> None:
        self.log_probs = logits.log_softmax(-1)
        super().__init__(logits.shape[:-1], torch.Size([1]), validate_args=False)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = (*sample_shape, *self.batch_shape)
        with torch.no_grad():
            gumbel = -torch.empty((*shape, self.log_probs.shape[-1]), dtype=self.log_probs.dtype).exponential_().log()
            return (self.log_probs + gumbel).argmax(-1, keepdim=True)

    def log_prob(self, value: Tensor) -> Tensor:
        wide = self.log_probs.expand(*value.shape[:-1], self.log_probs.shape[-1])
        return wide.gather(-1, value).squeeze(-1)


@dataclass(frozen=True)
class Codes(Problem):
    """Four rows of one integer each."""

    rows: int = 4

    def init(self) -> Params:
        return {"logits": torch.linspace(-1, 1, 4 * self.rows, dtype=torch.float64).sin().reshape(self.rows, 4)}

    def distribution(self, params: Params) -> Distribution:
        return Handwritten(params["logits"])

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return torch.tensor(TABLE).to(params["logits"])[z.squeeze(-1)]

    def exact(self, params: Params) -> Tensor:
        return params["logits"].softmax(-1) @ torch.tensor(TABLE).to(params["logits"])

    @property
    def no_oracle(self) -> None:
        return None


@dataclass(frozen=True)
class Matrix(Problem):
    """A matrix of Gaussians."""

    def init(self) -> Params:
        loc = torch.tensor(((0.3, -0.2), (0.8, 0.5)), dtype=torch.float64)
        return {"loc": loc, "log_scale": torch.tensor(-0.4, dtype=torch.float64)}

    def distribution(self, params: Params) -> Distribution:
        scale = params["log_scale"].exp()[..., None, None].expand_as(params["loc"])
        return Independent(Normal(params["loc"], scale, validate_args=False), 2, validate_args=False)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return (z.diagonal(0, -2, -1).sum(-1) - 1).square()

    def exact(self, params: Params) -> Tensor:
        trace = params["loc"].diagonal(0, -2, -1).sum(-1)
        return (trace - 1).square() + 2 * (2 * params["log_scale"]).exp()

    @property
    def no_oracle(self) -> None:
        return None


@dataclass(frozen=True)
class Rare(Problem):
    """A bit that is hardly ever 1."""

    def init(self) -> Params:
        return {"logits": torch.tensor([-11.5], dtype=torch.float64)}

    def distribution(self, params: Params) -> Distribution:
        return Independent(Bernoulli(logits=params["logits"], validate_args=False), 1, validate_args=False)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return z.sum(-1) + 1.0

    def exact(self, params: Params) -> Tensor:
        return params["logits"].sigmoid().sum(-1) + 1.0

    @property
    def no_oracle(self) -> None:
        return None
