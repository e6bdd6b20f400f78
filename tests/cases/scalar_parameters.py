"""Problems whose parameters have the shape `()`, and problems whose draws often, or always, cost the same."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from gradmark.estimators.core import Params, Problem


@dataclass(frozen=True)
class ScalarGaussian(Problem):
    """z ~ N(loc, exp(log_scale)²), both parameters of shape (); cost (z − 1)². Exact: (loc − 1)² + exp(2 log_scale)."""

    def init(self) -> Params:
        return {
            "loc": torch.tensor(0.4, dtype=torch.float64),
            "log_scale": torch.tensor(-0.3, dtype=torch.float64),
        }

    def distribution(self, params: Params) -> Distribution:
        normal = Normal(params["loc"].unsqueeze(-1), params["log_scale"].exp().unsqueeze(-1), validate_args=False)
        return Independent(normal, 1, validate_args=False)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return (z - 1).square().sum(-1)

    def exact(self, params: Params) -> Tensor:
        return (params["loc"] - 1) ** 2 + (2 * params["log_scale"]).exp()

    @property
    def no_oracle(self) -> None:
        return None


class AlwaysOne(ScalarGaussian):
    """Every draw costs 1: the exact gradient is zero."""

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return torch.ones_like(z.sum(-1))

    def exact(self, params: Params) -> Tensor:
        return torch.ones_like(params["loc"]) + 0 * params["loc"] + 0 * params["log_scale"]
