"""The rate of Poisson counts under a Gamma prior, with a Gamma q: bound, posterior and evidence in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Gamma, Independent, kl_divergence

from gradmark.benchmarks.problems.sizes import check_at_most
from gradmark.benchmarks.shared_data import shared
from gradmark.estimators.core import LatentVariableModel, Params


@dataclass(frozen=True)
class GammaPosterior(LatentVariableModel):
    """λ ~ Gamma(a, b), x_i | λ ~ Poisson(λ), with q(λ) = Gamma(α, β), which the exact posterior is one of.

    Parameters `log_concentration` log α and `log_rate` log β, both `[1]`; at `init` q is the prior. All counts share
    one z = λ, and a row of data is a count. Oracle, with n counts of sum X and ψ the digamma function:

        E_q[cost] = KL(q ‖ p) − X (ψ(α) − log β) + n α/β + Σ_i log x_i!

    and p(λ|x) = Gamma(a + X, b + n); under `select` X and n are those of the selected counts, reweighted.

    Shapes: z `[*S, *R, 1]`, cost `[*S, *R]`, oracle and evidence `[*R]`.

    Raises ValueError where there are no counts, one is negative, or the prior's concentration or rate is not positive.

    Reference: gelman2013
    """

    per_row = False
    counts: tuple[int, ...] = (2, 0, 1, 4, 1, 3)
    concentration: float = 1.5
    rate: float = 0.5

    def validate(self) -> None:
        if not self.counts or min(self.counts) < 0:
            raise ValueError(f"GammaPosterior(counts={self.counts}): one or more counts, none negative; use (2, 0, 1)")
        largest = {"largest of counts": max(self.counts)}
        check_at_most(self, 2**53, "float64 holds no greater whole number", **largest)
        for name in ("concentration", "rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"GammaPosterior({name}={getattr(self, name)}): it is positive; use 1.0")

    def init(self) -> Params:
        return _logs(self.concentration, self.rate)

    def true_parameters(self) -> Params:
        """Those at which q is the exact posterior."""
        return _logs(self.concentration + sum(self.counts), self.rate + len(self.counts))

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """The counts, `[rows, 1]`."""
        return _rows(self.counts, dtype, device)

    @property
    def num_rows(self) -> int:
        return len(self.counts)

    def distribution(self, params: Params) -> Distribution:
        return _gamma(params["log_concentration"].exp(), params["log_rate"].exp())

    def prior(self, params: Params) -> Distribution:
        one = torch.ones_like(params["log_rate"])
        return _gamma(self.concentration * one, self.rate * one)

    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        return self._log_likelihood(params, z.log(), z)

    def _log_likelihood(self, params: Params, log_z: Tensor, z: Tensor) -> Tensor:
        """Linear in log λ and λ, so that their means give its mean."""
        counts = self.observations(params)
        return (counts.sum(-2) * log_z - counts.shape[-2] * z - (counts + 1).lgamma().sum(-2)).squeeze(-1)

    def exact(self, params: Params) -> Tensor:
        q, log_rate = self.distribution(params), params["log_rate"]
        mean_log = params["log_concentration"].exp().digamma() - log_rate
        likelihood = self._log_likelihood(params, mean_log, q.mean)
        return kl_divergence(q, self.prior(params)) - likelihood * self.likelihood_weight

    @property
    def no_oracle(self) -> None:
        return None

    def _updated(self, params: Params) -> tuple[Tensor, Tensor]:
        """The posterior's concentration and rate, `[*R, 1]`."""
        counts, weight = self.observations(params), self.likelihood_weight
        zero = torch.zeros_like(params["log_rate"])
        rate = self.rate + weight * counts.shape[-2]
        return zero + self.concentration + weight * counts.sum(-2), zero + rate

    def posterior(self, params: Params) -> Distribution:
        return _gamma(*self._updated(params))

    def log_evidence(self, params: Params) -> Tensor:
        """log p(x), `[*R]`; under `select` with the likelihood to the power of the weight, as the cost."""
        concentration, rate = self._updated(params)
        before = self.concentration * math.log(self.rate) - math.lgamma(self.concentration)
        factorials = (self.observations(params) + 1).lgamma().sum(-2) * self.likelihood_weight
        return (concentration.lgamma() - concentration * rate.log() + before - factorials).squeeze(-1)


def _gamma(concentration: Tensor, rate: Tensor) -> Distribution:
    return Independent(Gamma(concentration, rate, validate_args=False), 1, validate_args=False)


def _logs(concentration: float, rate: float) -> Params:
    logs = {"log_concentration": concentration, "log_rate": rate}
    return {name: torch.tensor([math.log(value)], dtype=torch.float64) for name, value in logs.items()}


@shared
def _rows(counts: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(counts, dtype=dtype, device=device).unsqueeze(-1)
