"""Bayesian linear regression with a full, low-rank or degenerate Gaussian q: pairs that torch may have no KL for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, LowRankMultivariateNormal, MultivariateNormal, Normal

from gradmark.estimators.core import LatentVariableModel, Params

A, X = ((1.0, 0.5), (-0.7, 1.2), (0.3, -1.0), (0.8, 0.8)), (1.0, -0.5, 0.7, 1.4)


@dataclass(frozen=True)
class Regression(LatentVariableModel):
    """z ~ N(0, I), x_i | z ~ N(a_iᵀz, 1), with q(z) = N(loc, LLᵀ) ("full") or N(loc, D + ffᵀ) ("lowrank").

    D is 0 under "zero", where q has no density, so that the expected cost is not a number. The prior is written as
    independent Gaussians, for which torch has no KL with q, or as a multivariate one. KL(q ‖ p) by hand in `exact`.
    """

    per_row = False
    q: str = "full"
    prior_as: str = "independent"

    def init(self) -> Params:
        numbers = {"loc": (0.3, -0.4), "log_diagonal": (-0.3, 0.2), "off": (0.6,)}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.tensor([(*a, x) for a, x in zip(A, X, strict=True)], dtype=dtype, device=device)

    def distribution(self, params: Params) -> Distribution:
        diagonal, off = params["log_diagonal"].exp(), params["off"]
        if self.q != "full":
            spread = diagonal**2 * (self.q == "lowrank")
            factor = torch.cat([off, off], -1).unsqueeze(-1)
            return LowRankMultivariateNormal(params["loc"], factor, spread, validate_args=False)
        first = torch.cat([diagonal[..., :1], torch.zeros_like(off)], -1)
        tril = torch.stack([first, torch.cat([off, diagonal[..., 1:]], -1)], -2)
        return MultivariateNormal(params["loc"], scale_tril=tril, validate_args=False)

    def prior(self, params: Params) -> Distribution:
        zero = torch.zeros_like(params["loc"])
        if self.prior_as == "independent":
            return Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)
        return MultivariateNormal(zero, torch.eye(2).to(zero), validate_args=False)

    def log_likelihood(self, params: Params, z: Tensor) -> Tensor:
        rows = self.observations(params)
        mean = (z.unsqueeze(-2) @ rows[..., :2].mT).squeeze(-2)
        return (-((rows[..., 2] - mean) ** 2) / 2 - math.log(2 * math.pi) / 2).sum(-1)

    def exact(self, params: Params) -> Tensor:
        q, rows = self.distribution(params), self.observations(params)
        mean, covariance = q.mean, q.covariance_matrix  # pyright: ignore[reportAttributeAccessIssue]
        a = rows[..., :2]
        fit = -self.log_likelihood(params, mean) + (a.mT @ a * covariance).sum((-1, -2)) / 2
        trace = covariance.diagonal(dim1=-1, dim2=-2).sum(-1)
        return fit + (trace + (mean**2).sum(-1) - 2 - torch.logdet(covariance)) / 2

    @property
    def no_oracle(self) -> None:
        return None
