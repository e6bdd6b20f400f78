"""A belief network whose parameters are known, with an encoder that all rows share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gradmark.benchmarks.problems.belief_networks.fixed_belief_network.base import KnownNetwork
from gradmark.estimators.core import Params, linear


@dataclass(frozen=True)
class AmortisedFixedBeliefNetwork(KnownNetwork):
    """z_j ~ Bernoulli(σ(b_j)), x_i | z ~ Bernoulli(σ(Wz + c)_i), W, b and c known; q(z_j|x) = Bernoulli(σ(Ex + e)_j).

    The model and its data are those of `FixedBeliefNetwork`, whose logits of each row an affine map of x replaces:
    parameters `encoder_weight` E `[latents, observed]` and `encoder_bias` e `[latents]`. The best encoder is worse than
    the best logits, by what amortising loses. Everything by enumeration of the 2^latents states.

    Shapes: z `[*S, *R, rows, latents]`, cost, oracle and evidence `[*R, rows]`.

    Raises ValueError for a size out of range, a strength that is not positive or a negative seed.

    Reference: saul1996
    """

    def init(self) -> Params:
        draw = np.random.default_rng(0)  # the start does not depend on the data's seed
        weight = torch.from_numpy(draw.normal(scale=0.1, size=(self.latents, self.observed)))
        return {"encoder_weight": weight, "encoder_bias": torch.zeros(self.latents, dtype=torch.float64)}

    def encoded(self, params: Params) -> Tensor:
        return linear(self.observations(params), params["encoder_weight"], params["encoder_bias"])
