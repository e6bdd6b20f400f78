"""A mixture of Gaussians of which nothing is known: assignments, weights, means and precisions are all latent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence
from torch.nn.functional import one_hot

from gradmark.benchmarks.problems.distributions.mixture_posterior import MixturePosterior
from gradmark.benchmarks.problems.sizes import check_seed, check_sizes
from gradmark.benchmarks.shared_data import shared
from gradmark.estimators.core import Params, Problem

FIELDS = ("shape", "rate", "tightness", "concentration", "separation")


@dataclass(frozen=True)
class BayesianGaussianMixture(Problem):
    """π ~ Dirichlet(α₀), τ_kd ~ Gamma(a₀, b₀), μ_kd ~ N(0, 1/(β₀ τ_kd)), k_i ~ Cat(π), x_id ~ N(μ_kd, 1/τ_kd), k = k_i.

    q(k) q(π, τ, μ) is a mean field of two parts: `MixturePosterior` with r_i = softmax of `assignment_logits`
    `[rows, K]`, `log_concentration` log α `[K]`, and `loc` m, `log_tightness` log β, `log_shape` log a and `log_rate`
    log b, `[K, D]` each. The cost is log q(z) − log p(x, z), all rows in one z. The bound, every constant in it, is

        Σ_ik r_ik [E log π_k + ½ Σ_d (E log τ_kd − log 2π − (a_kd/b_kd) (x_id − m_kd)² − 1/β_kd) − log r_ik]
          − KL(Dir(α) ‖ Dir(α₀)) − Σ_kd KL(Gamma(a, b) ‖ Gamma(a₀, b₀))
          − ½ Σ_kd [β₀/β_kd + β₀ (a_kd/b_kd) m_kd² − 1 + log(β_kd/β₀)]

    with E log π_k = ψ(α_k) − ψ(Σα), E log τ = ψ(a) − log b. A sweep of coordinate ascent is a softmax for r, then, with
    N_k = Σ_i r_ik, x̄_k and S_k the weighted mean and sum of squares around it,

        α = α₀ + N,   β = β₀ + N,   m = N x̄/β,   a = a₀ + N/2,   b = b₀ + ½ [S + β₀ N x̄²/β]

    A component without rows falls back on its prior, and one on a single row keeps a rate of b₀: neither is an error.
    The data are drawn as those of `GaussianMixture`, and centred. log p(x) is a sum over K^rows assignments: not known.

    Shapes: z `[*S, *R, rows K + K + 2KD]`, cost `[*S, *R]`, oracle `[*R]`.

    Raises ValueError for a size below 1, a prior or separation that is not positive, or a negative seed.

    Reference: attias1999
    """

    components: int = 3
    observed: int = 2
    rows: int = 60
    separation: float = 1.5
    concentration: float = 1.0
    tightness: float = 0.05
    shape: float = 1.0
    rate: float = 1.0
    seed: int = 0

    def validate(self) -> None:
        check_sizes(self, "components", "observed", "rows")
        for name in FIELDS:
            if (value := getattr(self, name)) <= 0:
                raise ValueError(f"BayesianGaussianMixture({name}={value}): it is positive; use 1.0")
        check_seed(self, self.seed)

    def init(self) -> Params:
        """Rows dealt out to components at random, softly, and the best of the other factors given that."""
        which = torch.from_numpy(np.random.default_rng(0).integers(self.components, size=self.rows))
        logits = 2.0 * one_hot(which, self.components).double()
        return {"assignment_logits": logits, **self._given(logits, _rows(self, torch.float64, logits.device))}

    def distribution(self, params: Params) -> MixturePosterior:
        gamma = params["log_shape"].exp(), params["log_rate"].exp()
        mean = params["loc"], params["log_tightness"].exp()
        return MixturePosterior(params["assignment_logits"], params["log_concentration"].exp(), gamma, mean)

    def prior(self, params: Params) -> MixturePosterior:
        """p(k, π, τ, μ) but for its k, whose probabilities are π: here they are 1/K."""
        one, like = torch.ones_like(params["loc"]), params["assignment_logits"]
        gamma, mean = (self.shape * one, self.rate * one), (0.0 * one, self.tightness * one)
        return MixturePosterior(torch.zeros_like(like), self.concentration * one[..., 0], gamma, mean)

    def cost(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> Float[Tensor, "*batch"]:
        prior = self.prior(params)
        k, weights, precision, mean = prior.parts(z)
        away = (self._data(params).unsqueeze(-2) - mean.unsqueeze(-3)) ** 2 * precision.unsqueeze(-3)
        seen = (precision.log().unsqueeze(-3) - math.log(2 * math.pi) - away).sum(-1) / 2
        drawn = (k * (seen + weights.log().unsqueeze(-2))).sum((-2, -1)) + self.rows * math.log(self.components)
        return q.log_prob(z) - prior.log_prob(z) - drawn  # the prior's k had the probability 1/K

    def exact(self, params: Params) -> Tensor:
        q, prior = self.distribution(params), self.prior(params)
        scores, share = self._scores(params), q.assignment.probs
        assigned = (share * (q.assignment.logits - scores)).sum((-2, -1))
        weights, precision = kl_divergence(q.weights, prior.weights), kl_divergence(q.precision, prior.precision)
        ratio = self.tightness / q.tightness
        mean = (ratio + self.tightness * q.precision.mean * q.loc**2 - 1 - ratio.log()) / 2
        return assigned + weights + (precision + mean).sum((-2, -1))

    @property
    def no_oracle(self) -> None:
        return None

    def coordinate(self, params: Params) -> Params:
        """q(k) given the rest, then q(π, τ, μ) given q(k)."""
        scores = self._scores(params)
        return {"assignment_logits": scores, **self._given(scores, self._data(params))}

    def _scores(self, params: Params) -> Tensor:
        """E[log π_k + log p(x_i | k)], `[*R, rows, K]`."""
        q = self.distribution(params)
        total = params["log_concentration"].exp().sum(-1, keepdim=True)
        weights = torch.digamma(params["log_concentration"].exp()) - torch.digamma(total)
        constant = torch.digamma(params["log_shape"].exp()) - params["log_rate"] - math.log(2 * math.pi)
        away = (self._data(params).unsqueeze(-2) - q.loc.unsqueeze(-3)) ** 2 * q.precision.mean.unsqueeze(-3)
        return weights.unsqueeze(-2) + ((constant - 1 / q.tightness).unsqueeze(-3) - away).sum(-1) / 2

    def _given(self, logits: Tensor, x: Tensor) -> Params:
        """The best q(π, τ, μ) for assignments of these logits."""
        share = logits.softmax(-1)
        count = share.sum(-2)
        some = count.unsqueeze(-1)
        mean = share.mT @ x / some.clamp_min(torch.finfo(x.dtype).tiny)
        spread = (share.unsqueeze(-1) * (x.unsqueeze(-2) - mean.unsqueeze(-3)) ** 2).sum(-3)
        tight = self.tightness + some.expand_as(mean)
        rate = self.rate + (spread + self.tightness * some * mean**2 / tight) / 2
        return {
            "log_concentration": (self.concentration + count).log(),
            "loc": some * mean / tight,
            "log_tightness": tight.log(),
            "log_shape": (self.shape + some.expand_as(mean) / 2).log(),
            "log_rate": rate.log(),
        }

    def _data(self, params: Params) -> Tensor:
        return _rows(self, params["loc"].dtype, params["loc"].device)

    @property
    def footprint(self) -> int:
        return self.rows * self.components * self.observed


@shared
def _rows(problem: BayesianGaussianMixture, dtype: torch.dtype, device: torch.device) -> Tensor:
    draw = np.random.default_rng(problem.seed)
    shape = (problem.components, problem.observed)
    means, scales = 2 * problem.separation * draw.standard_normal(shape), np.exp(draw.standard_normal(shape) / 4)
    which = draw.integers(problem.components, size=problem.rows)
    rows = means[which] + scales[which] * draw.standard_normal((problem.rows, problem.observed))
    return torch.from_numpy(rows - rows.mean(0)).to(device, dtype)
