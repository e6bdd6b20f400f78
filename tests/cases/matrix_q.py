"""A q of matrices whose sampler disagrees with its density: pytorch #69281, pyro #1902; z a 3 x 3 Cholesky factor.

cost = (correlation_12 - 0.3)^2. Under LKJ(eta), d = 3, every correlation r is Beta-like on (-1, 1): (1 - r^2)^(a - 1),
a = eta + 1/2 ... so E r = 0, E r^2 = 1 / (2 a + 1) with a = eta - 1 + 3/2; cost's mean 0.09 + 1 / (2 eta + 2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, LKJCholesky

from gradmark.estimators.core import Params, Problem


@dataclass(frozen=True)
class Correlation(Problem):
    def init(self) -> Params:
        return {"log_eta": torch.tensor(0.4, dtype=torch.float64)}

    def distribution(self, params: Params) -> Distribution:
        return LKJCholesky(3, params["log_eta"].exp(), validate_args=False)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return ((z @ z.mT)[..., 0, 1] - 0.3) ** 2

    def exact(self, params: Params) -> Tensor:
        return 0.09 + 1 / (2 * params["log_eta"].exp() + 2)

    @property
    def no_oracle(self) -> None:
        return None


def right() -> dict[str, Any]:
    e = math.exp(0.4)
    return {"log_eta": np.array([-2 * e / (2 * e + 2) ** 2])}
