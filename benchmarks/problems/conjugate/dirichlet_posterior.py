"""The probabilities of categories that were counted, under a Dirichlet prior: everything in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Dirichlet, Distribution, kl_divergence

from gradmark.benchmarks.problems.sizes import MOST_NUMBERS, check_at_most
from gradmark.benchmarks.shared_data import shared
from gradmark.estimators.core import LatentVariableModel, Params


@dataclass(frozen=True)
class DirichletPosterior(LatentVariableModel):
    """π ~ Dirichlet(a, …, a), x_i | π ~ Categorical(π), with q(π) = Dirichlet(α), which the exact posterior is one of.

    `counts` says how often each of the C categories was seen; two categories make a Beta. Parameter
    `log_concentration` log α `[C]`; at `init` q is the prior. All observations share one z = π, and a row of data is
    one observation, one-hot. Oracle, with n_c the counts, α₀ = Σ_c α_c and ψ the digamma function:

        E_q[cost] = KL(q ‖ p) − Σ_c n_c (ψ(α_c) − ψ(α₀))

    and p(π|x) = Dirichlet(a + n); under `select` the counts are those of the selected rows, reweighted. The evidence is
    that of the observations in their order: it has no multinomial coefficient.

    Shapes: z `[*S, *R, C]`, cost `[*S, *R]`, oracle and evidence `[*R]`.

    Raises ValueError for fewer than two categories, a negative count, no observation, or a prior that is not positive.

    Reference: naesseth2017 (there with 100 categories)
    """

    per_row = False
    counts: tuple[int, ...] = (3, 1, 2)
    concentration: float = 1.5

    def validate(self) -> None:
        if len(self.counts) < 2 or min(self.counts) < 0 or not sum(self.counts):
            call = f"DirichletPosterior(counts={self.counts})"
            raise ValueError(f"{call}: two categories or more, one of them seen and none negative; use (3, 1, 2)")
        most, why = MOST_NUMBERS // len(self.counts), "the data have a row for each observation"
        check_at_most(self, most, why, **{"sum of counts": sum(self.counts)})
        if self.concentration <= 0:
            raise ValueError(f"DirichletPosterior(concentration={self.concentration}): it is positive; use 1.0")

    def init(self) -> Params:
        prior = torch.full((len(self.counts),), math.log(self.concentration), dtype=torch.float64)
        return {"log_concentration": prior}

    def true_parameters(self) -> Params:
        """Those at which q is the exact posterior."""
        return {"log_concentration": (torch.tensor(self.counts, dtype=torch.float64) + self.concentration).log()}

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """The observations, `[rows, C]`, one-hot, category by category."""
        return _rows(self.counts, dtype, device)

    @property
    def num_rows(self) -> int:
        return sum(self.counts)

    def distribution(self, params: Params) -> Distribution:
        return Dirichlet(params["log_concentration"].exp(), validate_args=False)

    def prior(self, params: Params) -> Distribution:
        return Dirichlet(torch.full_like(params["log_concentration"], self.concentration), validate_args=False)

    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        return torch.xlogy(self.observations(params).sum(-2), z).sum(-1)

    def exact(self, params: Params) -> Tensor:
        concentration = params["log_concentration"].exp()
        mean_log = concentration.digamma() - concentration.sum(-1, keepdim=True).digamma()
        likelihood = (self.observations(params).sum(-2) * mean_log).sum(-1)
        divergence = kl_divergence(self.distribution(params), self.prior(params))
        return divergence - likelihood * self.likelihood_weight

    @property
    def no_oracle(self) -> None:
        return None

    def posterior(self, params: Params) -> Distribution:
        counts = self.observations(params).sum(-2) * self.likelihood_weight
        return Dirichlet(torch.full_like(params["log_concentration"], self.concentration) + counts, validate_args=False)

    def log_evidence(self, params: Params) -> Tensor:
        """log p(x), `[*R]`; under `select` with the likelihood to the power of the weight, as the cost."""
        prior, counts = torch.full_like(params["log_concentration"], self.concentration), self.observations(params)
        return _log_beta(prior + counts.sum(-2) * self.likelihood_weight) - _log_beta(prior)

    @property
    def footprint(self) -> int:
        return len(self.counts)


def _log_beta(concentration: Tensor) -> Tensor:
    """log of Π_c Γ(α_c) / Γ(Σ_c α_c): what a Dirichlet is divided by."""
    return concentration.lgamma().sum(-1) - concentration.sum(-1).lgamma()


@shared
def _rows(counts: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    one_hot = torch.eye(len(counts), dtype=dtype, device=device)
    return one_hot.repeat_interleave(torch.tensor(counts, device=device), 0, output_size=sum(counts))
