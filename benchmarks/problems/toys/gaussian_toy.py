"""One Gaussian and a function whose every expectation is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from gradmark.estimators.core import Params, Problem

FUNCTIONS = ("quadratic", "cos", "exp")


@dataclass(frozen=True)
class GaussianToy(Problem):
    """z ~ N(loc, scale²) with cost (z − k)² ("quadratic"), cos(kz) ("cos") or exp(−kz²) ("exp").

    Parameters `loc` and `log_scale`, both `[1]`. Oracle in closed form, with m = loc and s = scale:

        (m − k)² + s²,    cos(km) exp(−k²s²/2),    (1 + 2ks²)^(−1/2) exp(−km² / (1 + 2ks²))

    Raises ValueError for an unknown function, a scale that is not positive, or "exp" with 1 + 2ks² ≤ 0 at `init`.

    Reference: mohamed2020 (section 3)
    """

    function: str = "quadratic"
    k: float = 0.0
    loc: float = 1.0
    scale: float = 1.0

    def validate(self) -> None:
        if self.function not in FUNCTIONS:
            raise ValueError(f"GaussianToy(function={self.function!r}): use one of {', '.join(FUNCTIONS)}")
        if self.scale <= 0:
            raise ValueError(f"GaussianToy(scale={self.scale}): a scale is positive; use 1.0")
        if self.function == "exp" and self.k < 0:
            raise ValueError(f"GaussianToy(function='exp', k={self.k}): the cost would be unbounded; use k ≥ 0")

    def init(self) -> Params:
        loc = torch.tensor([self.loc], dtype=torch.float64)
        return {"loc": loc, "log_scale": torch.tensor([math.log(self.scale)], dtype=torch.float64)}

    def distribution(self, params: Params) -> Distribution:
        normal = Normal(params["loc"], params["log_scale"].exp(), validate_args=False)
        return Independent(normal, 1, validate_args=False)

    def cost(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> Float[Tensor, "*batch"]:
        x = z.squeeze(-1)
        if self.function == "quadratic":
            return (x - self.k) ** 2
        return torch.cos(self.k * x) if self.function == "cos" else torch.exp(-self.k * x**2)

    def exact(self, params: Params) -> Tensor:
        loc, variance = params["loc"].squeeze(-1), (2 * params["log_scale"]).exp().squeeze(-1)
        if self.function == "quadratic":
            return (loc - self.k) ** 2 + variance
        if self.function == "cos":
            return torch.cos(self.k * loc) * torch.exp(-(self.k**2) * variance / 2)
        widened = 1 + 2 * self.k * variance
        return widened.rsqrt() * torch.exp(-self.k * loc**2 / widened)

    @property
    def no_oracle(self) -> None:
        return None
