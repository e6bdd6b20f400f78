"""Schlumberger/joint-vae #1 (discrete and continuous latents in one model): z = (bit, number), in this order.

q(b) = Bernoulli(logit), q(y | b) = N(loc_b, scale^2): one vector of two coordinates, drawn in two stages.
cost = (y - 1)^2 + 0.7 b. Exact: sum_b q(b) [(loc_b - 1)^2 + scale^2 + 0.7 b].
`support` is left out in Bare, as most hand-written distributions do. Mixed: REINFORCE for b, a path for y: right.
"""

# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportAssignmentType=false
# pyright: reportIncompatibleMethodOverride=false
# Written as users write it: without annotations.

from dataclasses import dataclass

import numpy as np
import torch
from torch.distributions import Bernoulli, Distribution, Normal, constraints

from gradmark.estimators.core import Problem, SurrogateEstimator

LOGIT, LOC, LOGS = 0.4, (-0.5, 1.3), -0.3


class BitThenNumber(Distribution):
    arg_constraints = {}  # noqa: RUF012

    def __init__(self, logit, loc, scale):
        self.bit, self.loc, self.scale = Bernoulli(logits=logit, validate_args=False), loc, scale
        super().__init__(logit.shape, torch.Size([2]), validate_args=False)

    def given(self, b):
        return Normal(self.loc[..., 0] + b * (self.loc[..., 1] - self.loc[..., 0]), self.scale, validate_args=False)

    def sample(self, sample_shape=torch.Size()):  # noqa: B008
        with torch.no_grad():
            b = self.bit.sample(sample_shape)
            return torch.stack([b, self.given(b).sample()], -1)

    def log_prob(self, z):
        return self.bit.log_prob(z[..., 0]) + self.given(z[..., 0]).log_prob(z[..., 1])


class WithSupport(BitThenNumber):
    support = constraints.real_vector


@dataclass(frozen=True)
class Bare(Problem):
    def init(self):
        return {
            "logit": torch.tensor([LOGIT], dtype=torch.float64),
            "loc": torch.tensor(LOC, dtype=torch.float64),
            "log_scale": torch.tensor([LOGS], dtype=torch.float64),
        }

    family = BitThenNumber

    def distribution(self, params):
        return self.family(params["logit"].squeeze(-1), params["loc"], params["log_scale"].squeeze(-1).exp())

    def cost(self, params, z, q):
        return (z[..., 1] - 1) ** 2 + 0.7 * z[..., 0]

    def exact(self, params):
        p = params["logit"].squeeze(-1).sigmoid()
        each = (params["loc"] - 1) ** 2 + (2 * params["log_scale"]).exp()
        return (1 - p) * each[..., 0] + p * (each[..., 1] + 0.7)

    @property
    def no_oracle(self):
        return None


@dataclass(frozen=True)
class Full(Bare):
    family = WithSupport


def right():
    p, s2 = 1 / (1 + np.exp(-LOGIT)), np.exp(2 * LOGS)
    e = (np.array(LOC) - 1) ** 2 + s2
    return {
        "logit": np.array([p * (1 - p) * (e[1] + 0.7 - e[0])]),
        "loc": np.array([1 - p, p]) * 2 * (np.array(LOC) - 1),
        "log_scale": np.array([2 * s2]),
    }


@dataclass(frozen=True)
class Mixed(SurrogateEstimator):
    def refuses(self, problem, num_samples):
        return None if isinstance(problem, Bare) else "needs a bit and a number"

    def surrogate(self, problem, params, state, num_samples):
        q = problem.distribution(params)
        b = q.bit.sample((num_samples,))
        z = torch.stack([b, q.given(b).rsample()], -1)
        cost = problem.cost(params, z, q)
        return (cost + cost.detach() * q.bit.log_prob(b)).mean(0), state
