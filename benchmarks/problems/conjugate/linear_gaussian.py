"""Probabilistic PCA on data drawn from known parameters: bound, posterior and evidence in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, kl_divergence

from gradmark.benchmarks.problems.enumeration import NODES, by_rows, importance_weighted_bound
from gradmark.benchmarks.problems.sizes import MOST_COORDINATES, check_at_most, check_seed, check_sizes
from gradmark.benchmarks.problems.terms import by_coordinate
from gradmark.benchmarks.shared_data import shared
from gradmark.estimators.core import LatentVariableModel, Params, Term, linear

VANISHED = 1e-12  # of the data's variance: noise that EM fits away
GRID = 1025  # points of z for the bounds of several draws: log w may change by e^20 within a standard deviation


@dataclass(frozen=True)
class LinearGaussian(LatentVariableModel):
    """z ~ N(0, I), x | z ~ N(Wz + b, s² I), with q(z|x) = N(Ex + e, diag(scale²)) and its scale shared by all rows.

    Parameters: the model's `weight` W `[observed, latents]`, `bias` b `[observed]`, `log_noise` log s `[1]`, and q's
    `encoder_weight` E `[latents, observed]`, `encoder_bias` e `[latents]`, `log_scale` `[latents]`. With m = Ex + e and
    v = scale², the oracle is, for each row,

        −E_q[log p(x|z)] = (‖x − Wm − b‖² + Σ_j v_j ‖W_j‖²) / 2s² + observed/2 log 2πs²
        KL(q ‖ p(z))     = Σ_j (v_j + m_j² − 1 − log v_j) / 2

    and, with A = I + WᵀW/s² and C = WWᵀ + s²I, p(z|x) = N(A⁻¹Wᵀ(x − b)/s², A⁻¹) and p(x) = N(b, C). The bound is tight
    where WᵀW is diagonal, as it is at the optimum. With one latent, importance-weighted bounds of any number of draws
    are known too, by quadrature.

    `correlated=True` gives q a full covariance LLᵀ, L with the diagonal `scale` and `lower` `[latents (latents − 1)/2]`
    below it, row after row. That family holds p(z|x) for every W, so that the bound is as blind to a rotation of z as
    p(x) is; the oracle has ‖WL‖² in place of Σ_j v_j ‖W_j‖².

    Shapes: z `[*S, *R, rows, latents]`, cost `[*S, *R, rows]`, oracle and evidence `[*R, rows]`.

    Raises ValueError for a size below 1, a noise that is not positive, a negative seed, or one latent to correlate.

    Reference: tipping1999
    """

    latents: int = 2
    observed: int = 5
    rows: int = 64
    noise: float = 0.5
    seed: int = 0
    correlated: bool = False

    def validate(self) -> None:
        check_sizes(self, "latents", "observed", "rows")
        why = "a covariance of that side is factorised"
        check_at_most(self, MOST_COORDINATES, why, latents=self.latents, observed=self.observed)
        if self.noise <= 0:
            raise ValueError(f"LinearGaussian(noise={self.noise}): a standard deviation is positive; use 0.5")
        check_seed(self, self.seed)
        if self.correlated and self.latents < 2:
            raise ValueError("LinearGaussian(latents=1, correlated=True): one latent has no correlation; use latents=2")

    def init(self) -> Params:
        draw = np.random.default_rng(0)  # the start does not depend on the data's seed
        shapes = {
            "weight": (self.observed, self.latents),
            "bias": (self.observed,),
            "log_noise": (1,),
            "encoder_weight": (self.latents, self.observed),
            "encoder_bias": (self.latents,),
            "log_scale": (self.latents,),
        }
        if self.correlated:
            shapes["lower"] = (self.latents * (self.latents - 1) // 2,)
        return {name: torch.from_numpy(draw.normal(scale=0.3, size=shape)) for name, shape in shapes.items()}

    def true_parameters(self) -> Params:
        """The model's parameters that the data were drawn from, and the best q of the family for them."""
        params = {"weight": self._drawn[0], "bias": self._drawn[1]}
        precision = (
            torch.eye(self.latents, dtype=torch.float64) + params["weight"].mT @ params["weight"] / self.noise**2
        )
        encoder = torch.linalg.solve(precision, params["weight"].mT) / self.noise**2
        params["log_noise"] = torch.tensor([math.log(self.noise)], dtype=torch.float64)
        params |= {"encoder_weight": encoder, "encoder_bias": -encoder @ params["bias"]}
        if not self.correlated:
            return params | {"log_scale": -precision.diagonal().log() / 2}
        factor = torch.linalg.cholesky(precision.inverse())
        below = torch.tril_indices(self.latents, self.latents, -1).unbind()
        return params | {"log_scale": factor.diagonal().log(), "lower": factor[below]}

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

    def distribution(self, params: Params) -> Distribution:
        loc = linear(self.observations(params), params["encoder_weight"], params["encoder_bias"])
        if self.correlated:
            return MultivariateNormal(loc, scale_tril=self._factor(params).unsqueeze(-3), validate_args=False)
        scale = params["log_scale"].exp().unsqueeze(-2)
        return Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)

    def _factor(self, params: Params) -> Tensor:
        """L of q's covariance LLᵀ, `[*R, latents, latents]`."""
        factor = torch.diag_embed(params["log_scale"].exp())
        if self.correlated:
            i, j = torch.tril_indices(self.latents, self.latents, -1)
            factor[..., i, j] = params["lower"]
        return factor

    def prior(self, params: Params) -> Distribution:
        zero = torch.zeros_like(params["log_scale"]).unsqueeze(-2)
        if self.correlated:  # the closed-form KL needs q's kind
            eye = torch.eye(self.latents, dtype=zero.dtype, device=zero.device)
            return MultivariateNormal(zero, scale_tril=eye, validate_args=False)
        return Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)

    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        mean = linear(z, params["weight"], params["bias"])
        noise = params["log_noise"].exp().unsqueeze(-1)
        return Normal(mean, noise, validate_args=False).log_prob(self.observations(params)).sum(-1)

    def terms(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> list[Term]:
        return [] if self.correlated else by_coordinate(self, params, z, q)

    def exact(self, params: Params) -> Tensor:
        q = self.distribution(params)
        spread = ((params["weight"] @ self._factor(params)) ** 2).sum((-2, -1))
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
        """EM's step: x regressed on (z, 1) over the posterior, then the mean squared error that is left.

        Raises ValueError where the noise vanishes: as many latents as the data have dimensions.
        """
        posterior, x = self.posterior(params), self.observations(params)
        mean = torch.cat([posterior.mean, torch.ones_like(posterior.mean[..., :1])], -1)
        spread = torch.nn.functional.pad(posterior.covariance_matrix, (0, 1, 0, 1)).sum(-3)
        fitted = torch.linalg.solve(mean.mT @ mean + spread, mean.mT @ x).mT  # [*R, observed, latents + 1]
        error = ((x - mean @ fitted.mT) ** 2).sum((-2, -1)) + ((fitted @ spread) * fitted).sum((-2, -1))
        variance = error / (x.shape[-2] * self.observed)
        if float((variance / x.var(-2, correction=0).mean(-1)).min()) < VANISHED:
            raise ValueError(
                f"{self}.maximise: the noise vanishes: its variance is {float(variance.min()):.3g}; use fewer latents "
                "than the data have dimensions, or more rows"
            )
        model = {"weight": fitted[..., :-1], "bias": fitted[..., -1], "log_noise": variance.log().unsqueeze(-1) / 2}
        return {**params, **model}

    def coordinate(self, params: Params) -> Params | None:
        """A sweep of coordinate ascent: q(z_j|x) = N(·, 1/A_jj) for each j, of all rows at once.

        E_j ← (W_jᵀ/s² − Σ_{k≠j} A_jk E_k)/A_jj, and e_j with −W_jᵀb/s² in place of W_jᵀ/s²: the best means are
        affine in x, so that a linear encoder amortises q at no loss.
        """
        if self.correlated:
            return None
        weight, variance = params["weight"], (2 * params["log_noise"]).exp().unsqueeze(-1)
        precision = torch.eye(self.latents, dtype=weight.dtype, device=weight.device) + weight.mT @ weight / variance
        seen = torch.cat([weight.mT, -weight.mT @ params["bias"].unsqueeze(-1)], -1) / variance
        rows = list(torch.cat([params["encoder_weight"], params["encoder_bias"].unsqueeze(-1)], -1).unbind(-2))
        for j in range(self.latents):
            given = sum(
                (precision[..., j, k, None] * rows[k] for k in range(self.latents) if k != j),
                torch.zeros_like(seen[..., j, :]),
            )
            rows[j] = (seen[..., j, :] - given) / precision[..., j, j, None]
        encoder = torch.stack(rows, -2)
        factors = {"encoder_weight": encoder[..., :-1], "encoder_bias": encoder[..., -1]}
        return {**params, **factors, "log_scale": -precision.diagonal(dim1=-2, dim2=-1).log() / 2}

    def exact_bound(self, params: Params, num_samples: int) -> Tensor | None:
        """For one latent, whose Gaussian q is a grid that reaches 9 standard deviations: the trapezoidal rule."""
        if self.latents > 1:
            return None
        wide = {name: value.double() for name, value in params.items()}
        q = self.distribution(wide)
        e = torch.linspace(-9, 9, GRID, dtype=torch.float64, device=wide["bias"].device)
        z = q.mean + q.stddev * e.reshape(-1, *[1] * q.mean.dim())
        log_weight = -self.cost(wide, z, q).movedim(0, -1) / self.latent_weight
        log_prob = (-(e**2) / 2).log_softmax(-1)

        def bound(log_weight: Tensor) -> Tensor:
            return importance_weighted_bound(log_prob.expand_as(log_weight), log_weight, num_samples)

        return (by_rows(bound, GRID * NODES, log_weight) * self.latent_weight).to(params["bias"].dtype)

    @property
    def footprint(self) -> int:
        return self.rows * max(self.observed, self.latents)


@shared
def _rows(problem: LinearGaussian, dtype: torch.dtype, device: torch.device) -> Tensor:
    return problem._drawn[2].to(device, dtype)
