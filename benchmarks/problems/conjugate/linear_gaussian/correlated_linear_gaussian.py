"""Probabilistic PCA with a q of full covariance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import MultivariateNormal

from gradmark.benchmarks.problems.conjugate.linear_gaussian.base import ProbabilisticPCA
from gradmark.estimators.core import Params


@dataclass(frozen=True)
class CorrelatedLinearGaussian(ProbabilisticPCA):
    """z ~ N(0, I), x | z ~ N(Wz + b, s² I), with q(z|x) = N(Ex + e, LLᵀ) and its covariance shared by all rows.

    The model and the parameters are those of `LinearGaussian`, and one more: L has the diagonal exp(`log_scale`) and
    `lower` `[latents (latents − 1)/2]` below it, row after row. This family of q holds p(z|x) for every W, so that the
    bound is as blind to a rotation of z as p(x) is. With m = Ex + e the oracle is, for each row,

        −E_q[log p(x|z)] = (‖x − Wm − b‖² + ‖WL‖²) / 2s² + observed/2 log 2πs²
        KL(q ‖ p(z))     = (‖L‖² + ‖m‖² − latents) / 2 − Σ_j log L_jj

    Posterior and evidence are those of `LinearGaussian`. The cost does not split into terms by coordinate.

    Shapes: z `[*S, *R, rows, latents]`, cost `[*S, *R, rows]`, oracle and evidence `[*R, rows]`.

    Raises ValueError for a size below 1, one latent, a noise that is not positive or a negative seed.

    Reference: tipping1999
    """

    def validate(self) -> None:
        super().validate()
        if self.latents < 2:
            raise ValueError("CorrelatedLinearGaussian(latents=1): one latent has no correlation; use latents=2")

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {**super()._shapes, "lower": (self.latents * (self.latents - 1) // 2,)}

    def scale(self, params: Params) -> Tensor:
        scale = torch.diag_embed(params["log_scale"].exp())
        i, j = torch.tril_indices(self.latents, self.latents, -1)
        scale[..., i, j] = params["lower"]
        return scale

    def best_scale(self, precision: Float[Tensor, "latents latents"]) -> Params:
        scale = torch.linalg.cholesky(precision.inverse())
        below = torch.tril_indices(self.latents, self.latents, -1).unbind()
        return {"log_scale": scale.diagonal().log(), "lower": scale[below]}

    def distribution(self, params: Params) -> MultivariateNormal:
        return MultivariateNormal(self.loc(params), scale_tril=self.scale(params).unsqueeze(-3), validate_args=False)

    def prior(self, params: Params) -> MultivariateNormal:
        zero = torch.zeros_like(params["log_scale"]).unsqueeze(-2)
        eye = torch.eye(self.latents, dtype=zero.dtype, device=zero.device)
        return MultivariateNormal(zero, scale_tril=eye, validate_args=False)
