"""A mixture of products of categorical distributions: latent classes, seen through several views."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import one_hot

from gradmark.benchmarks.problems.mixtures.base import Mixture
from gradmark.benchmarks.problems.sizes import check_seed, check_sizes
from gradmark.benchmarks.shared_data import shared
from gradmark.estimators.core import Params

FEWEST_VIEWS = 3  # with two, other parameters give the same p(x)


@dataclass(frozen=True)
class CategoricalMixture(Mixture):
    """k ~ Categorical(π), views x_v | k ~ Categorical(B_kv), independent given k; q(k|x) = softmax of an affine map.

    Parameters `logits` `[components]`, `view_logits` `[components, views, categories]`, `encoder_weight`
    `[components, views · categories]`, `encoder_bias` `[components]`; the data are views one-hot, side by side. The
    posterior's log odds are affine in them, so that the family of q holds it. Three views or more, as fewer do not
    identify the parameters. The data: true logits `contrast`·N(0, 1), equal weights. EM's step, with shares r_ik:

        π_k = mean_i r_ik,    B_kvc = Σ_i r_ik [x_iv = c] / Σ_i r_ik

    Shapes: z `[*S, *R, rows, 1, components]`, cost `[*S, *R, rows]`, oracle and evidence `[*R, rows]`.

    Raises ValueError for a size out of range, a contrast that is not positive or a negative seed.

    Reference: allman2009
    """

    components: int = 3
    views: int = 4
    categories: int = 4
    rows: int = 200
    contrast: float = 1.5
    seed: int = 0

    def validate(self) -> None:
        model = self.components * self.views * self.categories
        check_sizes(self, "components", "views", "categories", "rows", view_logits=model)
        if self.views < FEWEST_VIEWS:
            raise ValueError(
                f"CategoricalMixture(views={self.views}): fewer than {FEWEST_VIEWS} views do not identify a mixture; "
                f"pass {FEWEST_VIEWS} or more"
            )
        if self.contrast <= 0:
            raise ValueError(f"CategoricalMixture(contrast={self.contrast}): it is positive; use 1.5")
        check_seed(self, self.seed)

    def init(self) -> Params:
        draw = np.random.default_rng(0)  # the start does not depend on the data's seed
        shape = (self.components, self.views, self.categories)
        params = {"logits": torch.zeros(self.components, dtype=torch.float64)}
        params["view_logits"] = torch.from_numpy(draw.normal(scale=0.5, size=shape))
        return params | self._encoder(self.views * self.categories)

    def true_parameters(self) -> Params:
        """The model's parameters that the data were drawn from."""
        shape = (self.components, self.views, self.categories)
        logits = self.contrast * np.random.default_rng(self.seed).standard_normal(shape)
        return {"logits": torch.zeros(self.components, dtype=torch.float64), "view_logits": torch.from_numpy(logits)}

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """The views as one-hot vectors side by side, `[rows, views · categories]`."""
        return _rows(self, dtype, device)

    def _log_components(self, params: Params) -> Float[Tensor, "*batch components"]:
        return self.observations(params) @ params["view_logits"].log_softmax(-1).flatten(-2).mT

    def _maximise_components(self, params: Params, share: Float[Tensor, "*batch rows components"]) -> Params:
        counts = (share.mT @ self.observations(params)).unflatten(-1, (self.views, self.categories))
        seen = (counts / share.sum(-2)[..., None, None]).clamp_min(torch.finfo(counts.dtype).tiny)  # a finite logit
        return {"view_logits": seen.log()}

    @property
    def footprint(self) -> int:
        return self.rows * max(self.components, self.views * self.categories)


@shared
def _rows(problem: CategoricalMixture, dtype: torch.dtype, device: torch.device) -> Tensor:
    draw = np.random.default_rng([problem.seed, 1])
    which = draw.integers(problem.components, size=problem.rows)
    gumbel = torch.from_numpy(draw.gumbel(size=(problem.rows, problem.views, problem.categories)))
    seen = (problem.true_parameters()["view_logits"][which] + gumbel).argmax(-1)
    return one_hot(seen, problem.categories).flatten(1).to(device, dtype)
