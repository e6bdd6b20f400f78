"""The priors of auto-encoders with binary latents: learned, or one half for each bit."""

from __future__ import annotations

import torch
from torch import Tensor

from gradmark.benchmarks.problems.autoencoders.bernoulli_vae.base import BinaryAutoEncoder
from gradmark.estimators.core import Params


class LearnedPrior(BinaryAutoEncoder):
    """The prior's logits are parameters, `prior_logits` `[latents]`, at first zero."""

    def prior_parameters(self) -> Params:
        return {"prior_logits": torch.zeros(self.latents, dtype=torch.float64)}

    def prior_logits(self, params: Params) -> Tensor:
        return params["prior_logits"]


class FixedPrior(BinaryAutoEncoder):
    """Each bit is on with probability one half."""

    def prior_parameters(self) -> Params:
        return {}

    def prior_logits(self, params: Params) -> Tensor:
        return torch.zeros_like(params["encoder_logits_bias"])
