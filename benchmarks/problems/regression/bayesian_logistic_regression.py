"""Logistic regression with a Gaussian prior and a mean-field Gaussian q; its ELBO by quadrature."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence
from torch.nn.functional import logsigmoid

from gradmark.benchmarks import data
from gradmark.benchmarks.problems.terms import by_coordinate
from gradmark.benchmarks.shared_data import shared
from gradmark.estimators.core import LatentVariableModel, Params, Term, linear

NODES = 97  # of the quadrature
REACH = 32.0  # where what is left of softplus has fallen to exp(−32)
SMOOTHING = 1.5  # standard deviation of the Gaussian that rounds max(0, t); a matter of taste between 1 and 2


@dataclass(frozen=True)
class BayesianLogisticRegression(LatentVariableModel):
    """w ~ N(0, I), y_i | w ~ Bernoulli(sigmoid(x_iᵀw)), with q(w) = N(loc, diag(exp(log_scale)²)).

    Features are standardised with the population's standard deviation and a column of ones is appended for the bias:
    31 weights for `breast_cancer`, whose label 1 (benign) is y = +1 and 0 (malignant) y = −1. Parameters `loc` and
    `log_scale`, both `[columns + 1]` and zero at `init`. All rows share one z, and a row of data is y_i x_i.

    Oracle: under q the margin y_i x_iᵀw is N(m_i, s_i²), which leaves one integral for each row, done to 1e-8:

        E_q[cost] = KL(q ‖ p) + Σ_i E[softplus(−t)],   t ~ N(m_i, s_i²)

    Shapes: z `[*S, *R, d]`, cost `[*S, *R]`, oracle `[*R]`.

    Raises BadInput for an unknown data set, ValueError for one whose labels are not of two classes.

    Reference: jaakkola2000
    """

    per_row = False
    data: str = "breast_cancer"

    def validate(self) -> None:
        if data.find(self.data).images:
            call = f"BayesianLogisticRegression(data={self.data!r})"
            raise ValueError(f"{call}: a logistic regression needs labels of two classes; use breast_cancer")

    def init(self) -> Params:
        zero = torch.zeros(data.find(self.data).columns + 1, dtype=torch.float64)
        return {"loc": zero, "log_scale": zero.clone()}

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Signed features y_i x_i, `[rows, columns + 1]`."""
        return _signed_features(self.data, dtype, device)

    @property
    def num_rows(self) -> int:
        return data.find(self.data).rows

    def distribution(self, params: Params) -> Distribution:
        return Independent(
            Normal(params["loc"], params["log_scale"].exp(), validate_args=False), 1, validate_args=False
        )

    def prior(self, params: Params) -> Distribution:
        zero = torch.zeros_like(params["loc"])
        return Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)

    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        signed = self.observations(params)
        if signed.dim() == 2:
            return logsigmoid(z @ signed.mT).sum(-1)
        no_bias = signed.new_zeros(signed.shape[:-1])  # every replicate has rows of its own: they act as its weights
        return logsigmoid(linear(z.unsqueeze(-2), signed, no_bias)).sum((-2, -1))

    def terms(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> list[Term]:
        return by_coordinate(self, params, z, q)

    def exact(self, params: Params) -> Tensor:
        wide = {name: value.double() for name, value in params.items()}
        signed = self.observations(wide)
        mean = (signed @ wide["loc"].unsqueeze(-1)).squeeze(-1)
        variance = (signed**2 @ (2 * wide["log_scale"]).exp().unsqueeze(-1)).squeeze(-1)
        divergence = kl_divergence(self.distribution(wide), self.prior(wide))
        loss = divergence + self.likelihood_weight * expected_softplus(-mean, variance).sum(-1)
        return loss.to(params["loc"].dtype)

    @property
    def no_oracle(self) -> None:
        return None

    @property
    def footprint(self) -> int:
        return self.num_rows


def expected_softplus(mean: Tensor, variance: Tensor) -> Tensor:
    """E[log(1 + exp(t))] for t ~ N(mean, variance), float64, to 1e-11 for any variance and for its derivatives too.

    Gauss–Hermite nodes on softplus grow in number with the standard deviation. Instead softplus(t) = ρ(t) + r(t), with
    ρ(t) = E[max(0, t + cε)], ε ~ N(0, 1), whose mean is in closed form and which takes all that is wide: the rest r is
    even, analytic in |Im t| < π and below exp(−|t|). The trapezoidal rule over that part of |t| < 32 which the Gaussian
    reaches within 9 standard deviations then converges geometrically, with as many nodes for any variance. In units of
    the Gaussian the nodes are constants, so that derivatives are the same rule applied to r′.

    Shapes: `[*batch]`, with `[*batch, 97]` in between.

    Reference: trefethen2014
    """
    scale = variance.sqrt()
    low = ((-REACH - mean) / scale).detach().clamp(-9, 9).unsqueeze(-1)
    high = ((REACH - mean) / scale).detach().clamp(-9, 9).unsqueeze(-1)
    step = (high - low) / (NODES - 1)
    u = low + step * torch.arange(NODES, dtype=mean.dtype, device=mean.device)
    weight = torch.exp(-(u**2) / 2) * step / math.sqrt(2 * math.pi)
    t = -(mean.unsqueeze(-1) + scale.unsqueeze(-1) * u).abs()
    rest = torch.log1p(torch.exp(t)) - _rounded(t, torch.full_like(t, SMOOTHING))
    return _rounded(mean, (variance + SMOOTHING**2).sqrt()) + (weight * rest).sum(-1)


def _rounded(t: Tensor, scale: Tensor) -> Tensor:
    """E[max(0, t + scale ε)], ε ~ N(0, 1): ρ at t."""
    ratio = t / scale
    density = torch.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
    return scale * density + t * torch.erfc(-ratio / math.sqrt(2)) / 2


@shared
def _signed_features(name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    host = torch.device("cpu")
    raw = data.features(name, torch.float64, host)
    standard = (raw - raw.mean(0)) / raw.std(0, correction=0)
    sign = 2 * data.labels(name, torch.float64, host) - 1
    with_bias = torch.cat([standard, torch.ones_like(sign).unsqueeze(-1)], -1)
    return (sign.unsqueeze(-1) * with_bias).to(device, dtype)
