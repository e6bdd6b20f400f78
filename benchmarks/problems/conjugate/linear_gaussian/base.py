"""The model of probabilistic PCA, on data drawn from known parameters: bound, posterior and evidence."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from gradmark.benchmarks.problems.conjugate.linear_gaussian.em_step import maximised
from gradmark.benchmarks.problems.sizes import MOST_COORDINATES, check_at_most, check_seed, check_sizes
from gradmark.benchmarks.shared_data import shared
from gradmark.estimators.core import LatentVariableModel, Params, linear


@dataclass(frozen=True)
class ProbabilisticPCA(LatentVariableModel):
    """z ~ N(0, I), x | z ~ N(Wz + b, s² I), with q(z|x) = N(Ex + e, LLᵀ) and L shared by all rows.

    The model's `weight` W `[observed, latents]`, `bias` b `[observed]` and `log_noise` log s `[1]`, and q's
    `encoder_weight` E `[latents, observed]` and `encoder_bias` e `[latents]`. A subclass says what L is made of, and
    gives the prior as a distribution of q's kind, as the closed form of their KL is asked for.
    """

    latents: int = 2
    observed: int = 5
    rows: int = 64
    noise: float = 0.5
    seed: int = 0

    @abstractmethod
    def scale(self, params: Params) -> Tensor:
        """L of q's covariance LLᵀ, `[*R, latents, latents]`, lower triangular."""

    @abstractmethod
    def best_scale(self, precision: Float[Tensor, "latents latents"]) -> Params:
        """The parameters of L that fit a posterior of this precision best."""

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """The parameters' shapes, in the order in which the start is drawn."""
        return {
            "weight": (self.observed, self.latents),
            "bias": (self.observed,),
            "log_noise": (1,),
            "encoder_weight": (self.latents, self.observed),
            "encoder_bias": (self.latents,),
            "log_scale": (self.latents,),
        }

    def validate(self) -> None:
        check_sizes(self, "latents", "observed", "rows")
        why = "a covariance of that side is factorised"
        check_at_most(self, MOST_COORDINATES, why, latents=self.latents, observed=self.observed)
        if self.noise <= 0:
            call = f"{type(self).__name__}(noise={self.noise})"
            raise ValueError(f"{call}: a standard deviation must be positive; use 0.5")
        check_seed(self, self.seed)

    def init(self) -> Params:
        draw = np.random.default_rng(0)  # the start does not depend on the data's seed
        return {name: torch.from_numpy(draw.normal(scale=0.3, size=shape)) for name, shape in self._shapes.items()}

    def true_parameters(self) -> Params:
        """The model's parameters that the data were drawn from, and the best q of the family for them."""
        weight, bias, _ = self._drawn
        precision = torch.eye(self.latents, dtype=torch.float64) + weight.mT @ weight / self.noise**2
        encoder = torch.linalg.solve(precision, weight.mT) / self.noise**2
        log_noise = torch.tensor([math.log(self.noise)], dtype=torch.float64)
        params = {"weight": weight, "bias": bias, "log_noise": log_noise}
        params |= {"encoder_weight": encoder, "encoder_bias": -encoder @ bias}
        return params | self.best_scale(precision)

    @property
    def _drawn(self) -> tuple[Tensor, Tensor, Tensor]:
        """True weight, true bias and rows."""
        draw = np.random.default_rng(self.seed)
        weight = draw.standard_normal((self.observed, self.latents))
        bias = draw.standard_normal(self.observed)
        z = draw.standard_normal((self.rows, self.latents))
        rows = z @ weight.T + bias + self.noise * draw.standard_normal((self.rows, self.observed))
        return torch.from_numpy(weight), torch.from_numpy(bias), torch.from_numpy(rows)

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return _rows(self, dtype, device)

    @property
    def num_rows(self) -> int:
        return self.rows

    def loc(self, params: Params) -> Tensor:
        """q's mean Ex + e, `[*R, rows, latents]`."""
        return linear(self.observations(params), params["encoder_weight"], params["encoder_bias"])

    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        mean = linear(z, params["weight"], params["bias"])
        noise = params["log_noise"].exp().unsqueeze(-1)
        return Normal(mean, noise, validate_args=False).log_prob(self.observations(params)).sum(-1)

    def exact(self, params: Params) -> Tensor:
        q = self.distribution(params)
        spread = ((params["weight"] @ self.scale(params)) ** 2).sum((-2, -1))
        noise = (2 * params["log_noise"]).exp()
        likelihood = self.log_likelihood(params, q.mean) - (spread.unsqueeze(-1) / noise) / 2
        divergence = kl_divergence(q, self.prior(params))
        return divergence * self.latent_weight - likelihood * self.likelihood_weight

    @property
    def no_oracle(self) -> None:
        return None

    def posterior(self, params: Params) -> MultivariateNormal:
        weight, variance = params["weight"], (2 * params["log_noise"]).exp().unsqueeze(-1)
        precision = torch.eye(self.latents, dtype=weight.dtype, device=weight.device) + weight.mT @ weight / variance
        centred = self.observations(params) - params["bias"].unsqueeze(-2)
        loc = torch.linalg.solve(precision, weight.mT @ centred.mT / variance).mT
        return MultivariateNormal(loc, precision_matrix=precision.unsqueeze(-3), validate_args=False)

    def log_evidence(self, params: Params) -> Tensor:
        """log p(x) of each row, `[*R, rows]`; under `select` with the weight of the row, as the cost."""
        weight, variance = params["weight"], (2 * params["log_noise"]).exp().unsqueeze(-1)
        noise = torch.eye(self.observed, dtype=weight.dtype, device=weight.device) * variance
        covariance = (weight @ weight.mT + noise).unsqueeze(-3)
        marginal = MultivariateNormal(params["bias"].unsqueeze(-2), covariance, validate_args=False)
        return marginal.log_prob(self.observations(params)) * self.likelihood_weight

    def maximise(self, params: Params) -> Params:
        """EM's step: x regressed on (z, 1) over the posterior; q's parameters stay as they are."""
        model = maximised(f"{self}.maximise", self.posterior(params), self.observations(params))
        return {**params, **model}

    @property
    def footprint(self) -> int:
        return self.rows * max(self.observed, self.latents)


@shared
def _rows(problem: ProbabilisticPCA, dtype: torch.dtype, device: torch.device) -> Tensor:
    return problem._drawn[2].to(device, dtype)
