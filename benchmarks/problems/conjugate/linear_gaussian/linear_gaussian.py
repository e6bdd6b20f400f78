"""Probabilistic PCA with a q of independent coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from gradmark.benchmarks.problems.conjugate.linear_gaussian.base import ProbabilisticPCA
from gradmark.benchmarks.problems.conjugate.linear_gaussian.coordinate_ascent import swept
from gradmark.benchmarks.problems.conjugate.linear_gaussian.importance_weighted import bound_of_one_latent
from gradmark.benchmarks.problems.terms import by_coordinate
from gradmark.estimators.core import Params, Term


@dataclass(frozen=True)
class LinearGaussian(ProbabilisticPCA):
    """z ~ N(0, I), x | z ~ N(Wz + b, s² I), with q(z|x) = N(Ex + e, diag(scale²)) and its scale shared by all rows.

    Parameters: the model's `weight` W `[observed, latents]`, `bias` b `[observed]`, `log_noise` log s `[1]`, and q's
    `encoder_weight` E `[latents, observed]`, `encoder_bias` e `[latents]`, `log_scale` `[latents]`. With m = Ex + e and
    v = scale², the oracle is, for each row,

        −E_q[log p(x|z)] = (‖x − Wm − b‖² + Σ_j v_j ‖W_j‖²) / 2s² + observed/2 log 2πs²
        KL(q ‖ p(z))     = Σ_j (v_j + m_j² − 1 − log v_j) / 2

    and, with A = I + WᵀW/s² and C = WWᵀ + s²I, p(z|x) = N(A⁻¹Wᵀ(x − b)/s², A⁻¹) and p(x) = N(b, C). The bound is tight
    where WᵀW is diagonal, as it is at the optimum. With one latent, importance-weighted bounds of any number of draws
    are known too, by quadrature. `CorrelatedLinearGaussian` is the same model with a q of full covariance.

    Shapes: z `[*S, *R, rows, latents]`, cost `[*S, *R, rows]`, oracle and evidence `[*R, rows]`.

    Raises ValueError for a size below 1, a noise that is not positive or a negative seed.

    Reference: tipping1999
    """

    def scale(self, params: Params) -> Tensor:
        return torch.diag_embed(params["log_scale"].exp())

    def best_scale(self, precision: Float[Tensor, "latents latents"]) -> Params:
        return {"log_scale": -precision.diagonal().log() / 2}

    def distribution(self, params: Params) -> Distribution:
        scale = params["log_scale"].exp().unsqueeze(-2)
        return Independent(Normal(self.loc(params), scale, validate_args=False), 1, validate_args=False)

    def prior(self, params: Params) -> Distribution:
        zero = torch.zeros_like(params["log_scale"]).unsqueeze(-2)
        return Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)

    def terms(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> list[Term]:
        return by_coordinate(self, params, z, q)

    def coordinate(self, params: Params) -> Params:
        """A sweep of coordinate ascent: q(z_j|x) for each j, of all rows at once."""
        return {**params, **swept(params)}

    def exact_bound(self, params: Params, num_samples: int) -> Tensor | None:
        """For one latent."""
        return bound_of_one_latent(self, params, num_samples) if self.latents == 1 else None
