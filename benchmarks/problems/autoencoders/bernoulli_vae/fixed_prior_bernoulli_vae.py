"""The variational auto-encoder with binary latents, affine layers and a fixed prior."""

from __future__ import annotations

from dataclasses import dataclass

from gradmark.benchmarks.problems.autoencoders.bernoulli_vae.layers import AffineLayers
from gradmark.benchmarks.problems.autoencoders.bernoulli_vae.priors import FixedPrior


@dataclass(frozen=True)
class FixedPriorBernoulliVAE(AffineLayers, FixedPrior):
    """z_k ~ Bernoulli(1/2), pixels x_j | z ~ Bernoulli(decoder(z)_j), q(z_k|x) = Bernoulli(encoder(x)_k).

    Encoder and decoder are affine: parameters are a `_weight` `[outputs, inputs]` and a `_bias` `[outputs]` for each of
    `encoder_logits` and `decoder_logits`. The prior is one half for each bit, and has no parameters. Intensities in [0,
    1] are used directly as the targets of the cross-entropy, not binarised.

    Oracle, up to 12 latents, by enumeration of the 2^latents states z, l(z) = decoder(z); p(z|x) and log p(x) likewise,
    and, up to 8 latents, importance-weighted bounds of any number of draws:

        E_q[cost] = KL(q ‖ p(z)) − Σ_z q(z|x) Σ_j [x_j l_j(z) − softplus(l_j(z))]

    Shapes: z `[*S, *R, rows, latents]`, cost `[*S, *R, rows]`, oracle and evidence `[*R, rows]`.

    Raises BadInput for an unknown data set, ValueError for one without pixels and for sizes out of range.

    Reference: tucker2017 (section 5.2; there on binarised images that are centred before they are encoded)
    """
