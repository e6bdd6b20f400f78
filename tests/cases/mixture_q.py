"""pytorch/pytorch #39178 and #18125: q a mixture of Gaussians (MixtureSameFamily), which has no rsample.

cost = (z - 1)^2 + cos(z): E = sum_k w_k [(m_k - 1)^2 + s_k^2 + cos(m_k) exp(-s_k^2 / 2)].
Gathered: the thread's sampler, a component drawn, its Gaussian reparameterized, its log-weight left without a gradient:
wrong in the logits only. Implicit: z moves by -dF/dtheta / q(z): right in all of them.
"""

# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportAssignmentType=false
# pyright: reportIncompatibleMethodOverride=false
# Written as users write it: without annotations.

from dataclasses import dataclass

import numpy as np
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from gradmark.estimators.core import Problem, SurrogateEstimator, detached

LOGITS, LOC, LOGS = (0.3, -0.6, 0.1), (-1.0, 0.4, 2.0), (-0.5, 0.2, -1.0)


@dataclass(frozen=True)
class MixtureQ(Problem):
    def init(self):
        return {
            "logits": torch.tensor(LOGITS, dtype=torch.float64),
            "loc": torch.tensor(LOC, dtype=torch.float64),
            "log_scale": torch.tensor(LOGS, dtype=torch.float64),
        }

    def distribution(self, params):
        logits, loc, scale = (params[name].unsqueeze(-2) for name in ("logits", "loc", "log_scale"))
        parts = Normal(loc, scale.exp(), validate_args=False)
        return Independent(
            MixtureSameFamily(Categorical(logits=logits, validate_args=False), parts, validate_args=False),
            1,
            validate_args=False,
        )

    def cost(self, params, z, q):
        return ((z - 1) ** 2 + z.cos()).sum(-1)

    def exact(self, params):
        variance = (2 * params["log_scale"]).exp()
        each = (params["loc"] - 1) ** 2 + variance + params["loc"].cos() * (-variance / 2).exp()
        return (params["logits"].softmax(-1) * each).sum(-1)

    @property
    def no_oracle(self):
        return None


def right():
    w = np.exp(LOGITS) / np.exp(LOGITS).sum()
    m, s = np.asarray(LOC), np.exp(LOGS)
    each = (m - 1) ** 2 + s**2 + np.cos(m) * np.exp(-(s**2) / 2)
    return {
        "logits": w * (each - (w * each).sum()),
        "loc": w * (2 * (m - 1) - np.sin(m) * np.exp(-(s**2) / 2)),
        "log_scale": w * (2 * s**2 - s**2 * np.cos(m) * np.exp(-(s**2) / 2)),
    }


class _OfMixtures(SurrogateEstimator):
    def refuses(self, problem, num_samples):
        return None if isinstance(problem, MixtureQ) else "needs a mixture q"


@dataclass(frozen=True)
class Gathered(_OfMixtures):
    def surrogate(self, problem, params, state, num_samples):
        mixture = problem.distribution(params).base_dist
        k = mixture.mixture_distribution.sample((num_samples,))
        z = mixture.component_distribution.rsample((num_samples,)).gather(-1, k.unsqueeze(-1)).squeeze(-1)
        return problem.cost(params, z, None).mean(0), state


@dataclass(frozen=True)
class Implicit(_OfMixtures):
    def surrogate(self, problem, params, state, num_samples):
        q, fixed = problem.distribution(params), problem.distribution(detached(params))
        z = q.sample((num_samples,))
        below = q.base_dist.cdf(z)
        moved = z - (below - below.detach()) / fixed.base_dist.log_prob(z).exp()
        return problem.cost(params, moved, None).mean(0), state
