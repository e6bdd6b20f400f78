"""pytorch/pytorch #41663 and #34372 (gumbel_softmax over a vocabulary, half precision), #184031 (temperature 0).

One of 1000 categories, cost = table[z], or two of them with cost (table . (z1 + z2))^2 / 2.
"""

# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportAssignmentType=false
# pyright: reportIncompatibleMethodOverride=false
# Written as users write it: without annotations.

from dataclasses import dataclass

import numpy as np
import torch
from torch.distributions import Independent, OneHotCategorical

from gradmark.estimators.core import Problem


def _numbers(categories):
    draw = np.random.default_rng(3)
    return draw.normal(size=categories), draw.normal(size=categories)


@dataclass(frozen=True)
class Vocabulary(Problem):
    categories: int = 1000

    def init(self):
        return {"logits": torch.from_numpy(_numbers(self.categories)[0]).unsqueeze(0)}

    def distribution(self, params):
        return Independent(OneHotCategorical(logits=params["logits"], validate_args=False), 1, validate_args=False)

    def cost(self, params, z, q):
        return (z * torch.from_numpy(_numbers(self.categories)[1]).to(z)).sum((-1, -2)) ** 2

    def exact(self, params):
        return (
            params["logits"].softmax(-1) * torch.from_numpy(_numbers(self.categories)[1]).to(params["logits"]) ** 2
        ).sum((-1, -2))

    @property
    def no_oracle(self):
        return None

    def right(self):
        logits, t = _numbers(self.categories)
        p = np.exp(logits) / np.exp(logits).sum()
        return {"logits": p * (t**2 - (p * t**2).sum())}
