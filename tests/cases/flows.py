"""A flow with and without torch's transform cache, and a relaxed one-hot q: numpyro #340, pyro #3304 and #1188.

`Flow`: q of two coordinates, u ~ N(loc, scale), z = (u1, u2 exp(a tanh u1) + b u1): an affine coupling. The target is
N((1, -1), I) up to a constant; the oracle is a quadrature in u. `Relaxed`: q = RelaxedOneHotCategorical(temperature,
logits), the prior the same with flat logits, a likelihood that is linear in z: no oracle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import (
    Distribution,
    Independent,
    Normal,
    RelaxedOneHotCategorical,
    TransformedDistribution,
    constraints,
)
from torch.distributions.transforms import Transform

from gradmark.estimators.core import LatentVariableModel, Params, Problem

A, B, LOC, LOGS = 0.5, -0.7, (0.4, 0.2), (-0.2, 0.3)


class Coupling(Transform):
    domain = codomain = constraints.independent(constraints.real, 1)
    bijective = True

    def __init__(self, a: Tensor, b: Tensor, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.a, self.b = a, b

    def _call(self, x: Tensor) -> Tensor:
        first, second = x[..., :1], x[..., 1:]
        return torch.cat([first, second * (self.a * first.tanh()).exp() + self.b * first], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        first, second = y[..., :1], y[..., 1:]
        return torch.cat([first, (second - self.b * first) * (-self.a * first.tanh()).exp()], -1)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.a * x[..., :1].tanh()).squeeze(-1)


@dataclass(frozen=True)
class Flow(Problem):
    cache: int = 0

    def init(self) -> Params:
        return {
            "a": torch.tensor([A], dtype=torch.float64),
            "b": torch.tensor([B], dtype=torch.float64),
            "loc": torch.tensor(LOC, dtype=torch.float64),
            "log_scale": torch.tensor(LOGS, dtype=torch.float64),
        }

    def distribution(self, params: Params) -> Distribution:
        base = Independent(
            Normal(params["loc"], params["log_scale"].exp(), validate_args=False), 1, validate_args=False
        )
        return TransformedDistribution(base, [Coupling(params["a"], params["b"], self.cache)], validate_args=False)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return q.log_prob(z) + 0.5 * ((z - torch.tensor((1.0, -1.0)).to(z)) ** 2).sum(-1)

    def _mean(self, a: Tensor, b: Tensor, loc: Tensor, log_scale: Tensor, like: Tensor) -> Tensor:
        x, w = np.polynomial.hermite_e.hermegauss(60)
        x, w = torch.from_numpy(x).to(like), torch.from_numpy(w / w.sum()).to(like)
        s = log_scale.exp()
        u = loc[..., :1] + s[..., :1] * x
        m, k = loc[..., 1:] * (a * u.tanh()).exp() + b * u, s[..., 1:] * (a * u.tanh()).exp()
        entropy = -log_scale.sum(-1, keepdim=True) - 1 - math.log(2 * math.pi) - a * u.tanh()
        return (w * (entropy + 0.5 * (u - 1) ** 2 + 0.5 * ((m + 1) ** 2 + k**2))).sum(-1)

    def exact(self, params: Params) -> Tensor:
        return self._mean(params["a"], params["b"], params["loc"], params["log_scale"], params["a"])

    @property
    def no_oracle(self) -> None:
        return None


def right() -> dict[str, Any]:
    x, w = np.polynomial.hermite_e.hermegauss(80)
    w = w / w.sum()

    def f(p: Any) -> float:
        a, b, loc, s = p[0], p[1], p[2:4], np.exp(p[4:6])
        u = loc[0] + s[0] * x
        m, k = loc[1] * np.exp(a * np.tanh(u)) + b * u, s[1] * np.exp(a * np.tanh(u))
        return (w * (-p[4] - p[5] - a * np.tanh(u) + 0.5 * (u - 1) ** 2 + 0.5 * ((m + 1) ** 2 + k**2))).sum()

    p, h = np.array([A, B, *LOC, *LOGS]), 1e-6
    g = np.array([(f(p + h * e) - f(p - h * e)) / (2 * h) for e in np.eye(6)])
    return {"a": g[:1], "b": g[1:2], "loc": g[2:4], "log_scale": g[4:]}


@dataclass(frozen=True)
class Relaxed(LatentVariableModel):
    per_row = False
    temperature: float = 0.1

    def init(self) -> Params:
        return {"logits": torch.tensor((0.5, -1.0, 2.0, 0.0), dtype=torch.float64)}

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.ones(1, 1, dtype=dtype, device=device)

    def _base(self, logits: Tensor) -> Distribution:
        return RelaxedOneHotCategorical(torch.tensor(self.temperature).to(logits), logits=logits, validate_args=False)

    def distribution(self, params: Params) -> Distribution:
        return self._base(params["logits"])

    def prior(self, params: Params) -> Distribution:
        return self._base(torch.zeros_like(params["logits"]))

    def log_likelihood(self, params: Params, z: Tensor) -> Tensor:
        return (z * torch.tensor((1.0, -1.0, 0.5, 2.0)).to(z)).sum(-1)
