"""The step of EM for probabilistic PCA."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from gradmark.estimators.core import Params

VANISHED = 1e-12  # of the data's variance: noise that EM fits away


def maximised(call: str, posterior: MultivariateNormal, x: Tensor) -> Params:
    """`weight`, `bias` and `log_noise` that maximise E[log p(x, z)] over z ~ p(z|x), for rows x `[*R, rows, observed]`.

    x is regressed on (z, 1) over the posterior, and the noise is the mean squared error that is left. Raises ValueError
    where it vanishes: as many latents as the data have dimensions. `call` is what the error names.
    """
    mean = torch.cat([posterior.mean, torch.ones_like(posterior.mean[..., :1])], -1)
    spread = torch.nn.functional.pad(posterior.covariance_matrix, (0, 1, 0, 1)).sum(-3)
    fitted = torch.linalg.solve(mean.mT @ mean + spread, mean.mT @ x).mT  # [*R, observed, latents + 1]
    error = ((x - mean @ fitted.mT) ** 2).sum((-2, -1)) + ((fitted @ spread) * fitted).sum((-2, -1))
    variance = error / (x.shape[-2] * x.shape[-1])
    if float((variance / x.var(-2, correction=0).mean(-1)).min()) < VANISHED:
        raise ValueError(
            f"{call}: the noise vanishes: its variance is {float(variance.min()):.3g}; use fewer latents "
            "than the data have dimensions, or more rows"
        )
    return {"weight": fitted[..., :-1], "bias": fitted[..., -1], "log_noise": variance.log().unsqueeze(-1) / 2}
