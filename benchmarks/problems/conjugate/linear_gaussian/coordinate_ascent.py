"""A sweep of coordinate ascent for probabilistic PCA with a q of independent coordinates."""

from __future__ import annotations

import torch

from gradmark.estimators.core import Params


def swept(params: Params) -> Params:
    """q's parameters with q(z_j|x) = N(·, 1/A_jj) set for each j in turn, of all rows at once.

    E_j ← (W_jᵀ/s² − Σ_{k≠j} A_jk E_k)/A_jj, and e_j with −W_jᵀb/s² instead of W_jᵀ/s²: the best means are affine in x,
    so that a linear encoder amortises q at no loss.
    """
    weight, variance = params["weight"], (2 * params["log_noise"]).exp().unsqueeze(-1)
    latents = weight.shape[-1]
    precision = torch.eye(latents, dtype=weight.dtype, device=weight.device) + weight.mT @ weight / variance
    seen = torch.cat([weight.mT, -weight.mT @ params["bias"].unsqueeze(-1)], -1) / variance
    rows = list(torch.cat([params["encoder_weight"], params["encoder_bias"].unsqueeze(-1)], -1).unbind(-2))
    for j in range(latents):
        given = sum(
            (precision[..., j, k, None] * rows[k] for k in range(latents) if k != j),
            torch.zeros_like(seen[..., j, :]),
        )
        rows[j] = (seen[..., j, :] - given) / precision[..., j, j, None]
    encoder = torch.stack(rows, -2)
    factors = {"encoder_weight": encoder[..., :-1], "encoder_bias": encoder[..., -1]}
    return {**factors, "log_scale": -precision.diagonal(dim1=-2, dim2=-1).log() / 2}
