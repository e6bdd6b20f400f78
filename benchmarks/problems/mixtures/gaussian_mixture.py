"""A mixture of Gaussians with diagonal covariances, on data drawn from known parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal

from gradmark.benchmarks.problems.mixtures.base import Mixture
from gradmark.benchmarks.problems.sizes import check_seed, check_sizes
from gradmark.benchmarks.shared_data import shared
from gradmark.estimators.core import Params

COLLAPSED = 1e-10  # of the data's variance: a component that has shrunk onto a row, whose density grows without end


@dataclass(frozen=True)
class GaussianMixture(Mixture):
    """k ~ Categorical(π), x | k ~ N(μ_k, diag(σ_k²)), with q(k|x) = softmax of an affine function of (x, x²).

    Parameters `logits` `[components]`, `means` and `log_scales` `[components, observed]`, `encoder_weight`
    `[components, 2 observed]`, `encoder_bias` `[components]`. The posterior's log odds are affine in (x, x²), so that
    the family of q holds it, and the bound can be tight. The data: true means 2·`separation`·N(0, 1), scales
    exp(N(0, 1)/4), equal weights. EM's step, with shares r_ik = p(k|x_i):

        π_k = mean_i r_ik,    μ_k = Σ_i r_ik x_i / Σ_i r_ik,    σ_k² = Σ_i r_ik (x_i − μ_k)² / Σ_i r_ik

    Shapes: z `[*S, *R, rows, 1, components]`, cost `[*S, *R, rows]`, oracle and evidence `[*R, rows]`.

    Raises ValueError for a size below 1, a separation that is not positive or a negative seed.

    Reference: dempster1977
    """

    components: int = 3
    observed: int = 2
    rows: int = 200
    separation: float = 1.5
    seed: int = 0

    def validate(self) -> None:
        check_sizes(self, "components", "observed", "rows")
        if self.separation <= 0:
            raise ValueError(f"GaussianMixture(separation={self.separation}): a distance is positive; use 1.5")
        check_seed(self, self.seed)

    def init(self) -> Params:
        draw, rows = np.random.default_rng(0), self.data_rows(torch.float64, torch.device("cpu"))
        means = rows.mean(0) + rows.std(0, correction=0) * torch.from_numpy(
            draw.standard_normal((self.components, self.observed))
        )
        params = {
            "logits": torch.zeros(self.components, dtype=torch.float64),
            "means": means,
            "log_scales": rows.std(0, correction=0).log().expand(self.components, self.observed).clone(),
        }
        return params | self._encoder(2 * self.observed)

    def true_parameters(self) -> Params:
        """The model's parameters that the data were drawn from."""
        draw = np.random.default_rng(self.seed)
        means = 2 * self.separation * draw.standard_normal((self.components, self.observed))
        log_scales = draw.standard_normal((self.components, self.observed)) / 4
        logits = torch.zeros(self.components, dtype=torch.float64)
        return {"logits": logits, "means": torch.from_numpy(means), "log_scales": torch.from_numpy(log_scales)}

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return _rows(self, dtype, device)

    def _features(self, params: Params) -> Tensor:
        x = self.observations(params)
        return torch.cat([x, x**2], -1)

    def _log_components(self, params: Params) -> Float[Tensor, "*batch components"]:
        means, scales = params["means"].unsqueeze(-3), params["log_scales"].exp().unsqueeze(-3)
        return Normal(means, scales, validate_args=False).log_prob(self.observations(params).unsqueeze(-2)).sum(-1)

    def _maximise_components(self, params: Params, share: Float[Tensor, "*batch rows components"]) -> Params:
        x, counts = self.observations(params), share.sum(-2).unsqueeze(-1)
        means = share.mT @ x / counts
        away = (x.unsqueeze(-2) - means.unsqueeze(-3)) ** 2
        variance = (share.unsqueeze(-1) * away).sum(-3) / counts
        smallest = variance / x.var(-2, correction=0).clamp_min(torch.finfo(x.dtype).tiny).unsqueeze(-2)
        if float(smallest.min()) < COLLAPSED:
            component = int(smallest.flatten().argmin()) // self.observed % self.components
            raise ValueError(
                f"{self}.maximise: component {component} collapses: its variance is {float(variance.min()):.3g}, "
                f"{float(smallest.min()):.3g} of the data's; use fewer components, more rows, or start elsewhere"
            )
        return {"means": means, "log_scales": variance.log() / 2}

    @property
    def footprint(self) -> int:
        return self.rows * self.components * self.observed


@shared
def _rows(problem: GaussianMixture, dtype: torch.dtype, device: torch.device) -> Tensor:
    true = problem.true_parameters()
    draw = np.random.default_rng([problem.seed, 1])
    which = draw.integers(problem.components, size=problem.rows)
    noise = torch.from_numpy(draw.standard_normal((problem.rows, problem.observed)))
    return (true["means"][which] + true["log_scales"][which].exp() * noise).to(device, dtype)
