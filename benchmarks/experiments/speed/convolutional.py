"""A convolutional VAE made of plain modules, as a user would write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from gradmark.benchmarks import data
from gradmark.estimators.core import ModuleModel, Params


@dataclass(frozen=True)
class ConvolutionalVAE(ModuleModel):
    """z ~ N(0, I), pixels x_j | z ~ Bernoulli(decoder(z)_j), q(z|x) = N(loc(x), diag(scale(x)²)), on 28×28 images.

    Two convolutions of stride 2 in the encoder, two transposed ones in the decoder, `channels` and 2 · `channels` wide.
    It is not in the catalogue of problems: the comparison of speeds is its only use.
    """

    latents: int = 20
    channels: int = 16
    rows: int = 100

    def modules(self) -> Mapping[str, nn.Module]:
        c = self.channels
        encoder = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            nn.Conv2d(1, c, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(c, 2 * c, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * c * 49, 2 * self.latents),
        )
        decoder = nn.Sequential(
            nn.Linear(self.latents, 2 * c * 49),
            nn.ReLU(),
            nn.Unflatten(1, (2 * c, 7, 7)),
            nn.ConvTranspose2d(2 * c, c, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(c, 1, 4, stride=2, padding=1),
            nn.Flatten(),
        )
        return {"encoder": encoder, "decoder": decoder}

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return data.features("mnist-5k", dtype, device)[: self.rows]

    @property
    def num_rows(self) -> int:
        return self.rows

    def distribution(self, params: Params) -> Distribution:
        loc, log_scale = self.apply("encoder", params, self.observations(params)).chunk(2, -1)
        return Independent(Normal(loc, log_scale.exp(), validate_args=False), 1, validate_args=False)

    def prior(self, params: Params) -> Distribution:
        one = next(iter(params.values())).new_ones(self.latents)
        return Independent(Normal(0 * one, one, validate_args=False), 1, validate_args=False)

    def log_likelihood(self, params: Params, z: Tensor) -> Tensor:
        logits = self.apply("decoder", params, z)
        return (self.observations(params) * logits - nn.functional.softplus(logits)).sum(-1)
