"""The variational auto-encoder with Gaussian latents and Bernoulli pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from gradmark.benchmarks import data
from gradmark.benchmarks.problems.autoencoders.base import (
    ImageModel,
    check_layers,
    initial_layers,
    layer,
    pixels_log_likelihood,
)
from gradmark.benchmarks.problems.terms import by_coordinate
from gradmark.estimators.core import Params, Term


@dataclass(frozen=True)
class GaussianVAE(ImageModel):
    """z ~ N(0, I), pixels x_j | z ~ Bernoulli(decoder(z)_j), q(z|x) = N(loc(x), diag(scale(x)²)).

    Encoder and decoder have one layer of `hidden` tanh units each; the encoder's second head is log scale, the log of
    the standard deviation (half the paper's log variance). Intensities in [0, 1] are used directly as the targets of
    the cross-entropy, not binarised:

        log p(x|z) = Σ_j [x_j l_j − softplus(l_j)],   l = decoder(z)

    Parameters: a `_weight` `[outputs, inputs]` and a `_bias` `[outputs]` for each of `encoder_hidden`, `encoder_loc`,
    `encoder_log_scale`, `decoder_hidden` and `decoder_logits`. `rows` takes the first rows only, None all of them. No
    oracle: the decoder is not linear in z.

    Shapes: z `[*S, *R, rows, latents]`, cost `[*S, *R, rows]`.

    Raises BadInput for an unknown data set, ValueError for one without pixels and for sizes out of range.

    Reference: kingma2014
    """

    data: str = "digits"
    latents: int = 2
    hidden: int = 32
    rows: int | None = None

    def validate(self) -> None:
        check_layers(self, self.data, self.rows, ["latents"], self.hidden)

    def init(self) -> Params:
        columns = data.find(self.data).columns
        return initial_layers(
            {
                "encoder_hidden": (self.hidden, columns),
                "encoder_loc": (self.latents, self.hidden),
                "encoder_log_scale": (self.latents, self.hidden),
                "decoder_hidden": (self.hidden, self.latents),
                "decoder_logits": (columns, self.hidden),
            }
        )

    def distribution(self, params: Params) -> Distribution:
        hidden = layer(params, "encoder_hidden", self.observations(params)).tanh()
        scale = layer(params, "encoder_log_scale", hidden).exp()
        return Independent(Normal(layer(params, "encoder_loc", hidden), scale, validate_args=False), 1, False)

    def prior(self, params: Params) -> Distribution:
        zero = params["encoder_loc_bias"].new_zeros(self.latents)
        return Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1, validate_args=False)

    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        logits = layer(params, "decoder_logits", layer(params, "decoder_hidden", z).tanh())
        return pixels_log_likelihood(logits, self.observations(params))

    def terms(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> list[Term]:
        return by_coordinate(self, params, z, q)

    @property
    def no_oracle(self) -> str:
        return (
            "the decoder is not linear in z, so that neither the expected cost nor the posterior has a closed form; "
            "use LinearGaussian(), or BernoulliVAE(latents=8), whose latents can be enumerated"
        )

    @property
    def footprint(self) -> int:
        return self.num_rows * max(data.find(self.data).columns, self.hidden)
