"""A belief network whose parameters are known, with a q for each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gradmark.benchmarks.problems.belief_networks.fixed_belief_network.base import KnownNetwork, log_prob_of_states
from gradmark.benchmarks.problems.distributions.bits import states_of_bits
from gradmark.estimators.core import Params


@dataclass(frozen=True)
class FixedBeliefNetwork(KnownNetwork):
    """z_j ~ Bernoulli(σ(b_j)), x_i | z ~ Bernoulli(σ(Wz + c)_i), W, b and c known; q(z_j|x) = Bernoulli(σ(η_j)).

    η is a parameter of each row, `logits` `[rows, latents]`: the best that independent bits can do. W is
    `strength`·N(0, 1): bits that explain the same pixel are dependent given it, the more, the stronger. b is −1, and c
    is such that an average z leaves every pixel undecided; the data are drawn from the model. Everything by enumeration
    of the 2^latents states. `AmortisedFixedBeliefNetwork` has an encoder instead of the logits. A sweep of coordinate
    ascent is known:

        η_j ← E_{k ≠ j}[log p(x, z with z_j = 1) − log p(x, z with z_j = 0)]

    Shapes: z `[*S, *R, rows, latents]`, cost, oracle and evidence `[*R, rows]`.

    Raises ValueError for a size out of range, a strength that is not positive or a negative seed.

    Reference: saul1996
    """

    def init(self) -> Params:
        draw = np.random.default_rng(0)  # the start does not depend on the data's seed
        return {"logits": torch.from_numpy(draw.normal(scale=0.1, size=(self.rows, self.latents)))}

    def encoded(self, params: Params) -> Tensor:
        index, logits = self._selected, params["logits"]
        if index is None or index.dim() == 1:
            return logits if index is None else logits[..., index.to(logits.device), :]
        return logits.take_along_dim(index.to(logits.device).unsqueeze(-1), -2)

    def coordinate(self, params: Params) -> Params:
        """A sweep of coordinate ascent: η_j for each j in turn, of all rows at once."""
        joint = self.log_joint_of(params, 0, self.num_states)
        states, logits = states_of_bits(self.latents, joint), params["logits"].clone()
        for j in range(self.latents):
            others = [k for k in range(self.latents) if k != j]
            weight = log_prob_of_states(logits[..., others], states[:, others]).exp()
            logits[..., j] = (weight * (2 * states[:, j] - 1) * joint).sum(-1)
        return {"logits": logits}
