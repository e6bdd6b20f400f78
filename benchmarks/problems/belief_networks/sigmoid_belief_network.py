"""A sigmoid belief network with two layers of binary latents, and a q that climbs them: small enough to enumerate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import logsigmoid

from gradmark.benchmarks import data
from gradmark.benchmarks.problems.autoencoders.base import (
    ImageModel,
    check_layers,
    initial_layers,
    layer,
    pixels_log_likelihood,
)
from gradmark.benchmarks.problems.distributions.bits import EnumeratedBits, StagedBits, states_of_bits
from gradmark.benchmarks.problems.enumeration import NODES, by_rows, importance_weighted_bound
from gradmark.estimators.core import Params, Term

MOST_LATENTS = 12  # of both layers, that are enumerated
MOST_LATENTS_OF_A_BOUND = 8  # for bounds of several draws, whose states are summed over at some 512 nodes


@dataclass(frozen=True)
class SigmoidBeliefNetwork(ImageModel):
    """z² ~ Bernoulli(prior), z¹ | z² and pixels x | z¹ Bernoulli of affine logits; q(z|x) = q(z¹|x) q(z²|z¹), likewise.

    z holds the `lower` bits z¹ first and the `upper` bits z² after them. q is drawn upwards, in two stages, and the
    model downwards: each layer's bits are independent given the layer before. Intensities in [0, 1] are used directly
    as the targets of the cross-entropy, not binarised. Parameters: `prior_logits` `[upper]`, and a `_weight`
    `[outputs, inputs]` and a `_bias` `[outputs]` for each of `encoder_lower`, `encoder_upper`, `decoder_lower` and
    `decoder_pixels`.

    Oracle, up to 12 latents in both layers, by enumeration of their states; exact p(z|x) and log p(x) likewise, and, up
    to 8 latents, importance-weighted bounds of any number of draws:

        E_q[cost] = Σ_z q(z|x) [log q(z¹|x) + log q(z²|z¹) − log p(z²) − log p(z¹|z²) − log p(x|z¹)]

    Shapes: z `[*S, *R, rows, lower + upper]`, cost `[*S, *R, rows]`, oracle and evidence `[*R, rows]`.

    Raises BadInput for an unknown data set, ValueError for one without pixels and for sizes out of range.

    Reference: mnih2014
    """

    data: str = "digits"
    lower: int = 4
    upper: int = 3
    rows: int | None = None

    def validate(self) -> None:
        check_layers(self, self.data, self.rows, ["lower", "upper"])

    def init(self) -> Params:
        columns = data.find(self.data).columns
        sizes = {
            "encoder_lower": (self.lower, columns),
            "encoder_upper": (self.upper, self.lower),
            "decoder_lower": (self.lower, self.upper),
            "decoder_pixels": (columns, self.lower),
        }
        return initial_layers(sizes) | {"prior_logits": torch.zeros(self.upper, dtype=torch.float64)}

    def distribution(self, params: Params) -> StagedBits:
        lower = layer(params, "encoder_lower", self.observations(params))

        def logits(z: Tensor) -> Tensor:
            upper = layer(params, "encoder_upper", z[..., : self.lower])
            return torch.cat([lower.expand(*upper.shape[:-1], -1), upper], -1)

        return StagedBits(logits, (0,) * self.lower + (1,) * self.upper, self._batch(params), lower)

    def prior(self, params: Params) -> StagedBits:
        upper = params["prior_logits"].unsqueeze(-2)

        def logits(z: Tensor) -> Tensor:
            lower = layer(params, "decoder_lower", z[..., self.lower :])
            return torch.cat([lower, upper.expand(*lower.shape[:-1], -1)], -1)

        return StagedBits(logits, (1,) * self.lower + (0,) * self.upper, self._batch(params), upper)

    def _batch(self, params: Params) -> tuple[int, ...]:
        return (*params["prior_logits"].shape[:-1], self.seen_rows)

    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        lit = layer(params, "decoder_pixels", z[..., : self.lower])
        return pixels_log_likelihood(lit, self.observations(params))

    def terms(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> list[Term]:
        """log q and −log p of each bit, which read the layer that they are conditioned on, and −log p(x|z¹)."""
        assert isinstance(q, StagedBits), "what `distribution` gives"
        below, above = tuple(range(self.lower)), tuple(range(self.lower, self.lower + self.upper))
        of_q = (q.log_prob_by_site(z) * self.latent_weight).unbind(-1)
        of_p = (-self.prior(params).log_prob_by_site(z) * self.latent_weight).unbind(-1)
        alone = [Term(of_q[i], (i,)) for i in below] + [Term(of_p[j], (j,)) for j in above]
        given = [Term(of_p[i], (i, *above)) for i in below] + [Term(of_q[j], (*below, j)) for j in above]
        return [*alone, *given, Term(-self.log_likelihood(params, z) * self.likelihood_weight, below)]

    def exact(self, params: Params) -> Tensor | None:
        if self.no_oracle is not None:
            return None

        def expected_cost(log_q: Tensor, log_joint: Tensor) -> Tensor:
            return (log_q.exp() * (log_q - log_joint)).sum(-1)

        return expected_cost(self._log_q(params), self._log_joint(params)) * self.likelihood_weight

    def log_evidence(self, params: Params) -> Tensor | None:
        """log p(x) of each row, `[*R, rows]`; under `select` with the weight of the row, as the cost."""
        if self.no_oracle is not None:
            return None
        return self._log_joint(params).logsumexp(-1) * self.likelihood_weight

    def posterior(self, params: Params) -> Distribution | None:
        return None if self.no_oracle is not None else EnumeratedBits(self._log_joint(params))

    def exact_bound(self, params: Params, num_samples: int) -> Tensor | None:
        if self.lower + self.upper > MOST_LATENTS_OF_A_BOUND:
            return None
        wide = {name: value.double() for name, value in params.items()}

        def bound(log_q: Tensor, log_joint: Tensor) -> Tensor:
            return importance_weighted_bound(log_q, log_joint - log_q, num_samples)

        log_q, log_joint = self._log_q(wide), self._log_joint(wide)
        found = by_rows(bound, log_q.shape[-1] * NODES, log_q, log_joint)
        return (found * self.likelihood_weight).to(params["prior_logits"].dtype)

    def _log_q(self, params: Params) -> Tensor:
        """log q(z|x) of each row and state, `[*R, rows, 2^d]`."""
        states = states_of_bits(self.lower + self.upper, params["prior_logits"])
        below, above = states.split([self.lower, self.upper], -1)
        lower = layer(params, "encoder_lower", self.observations(params))
        upper = layer(params, "encoder_upper", below)
        climbed = (above * upper + logsigmoid(-upper)).sum(-1)
        return lower @ below.mT + logsigmoid(-lower).sum(-1, keepdim=True) + climbed.unsqueeze(-2)

    def _log_joint(self, params: Params) -> Tensor:
        """log p(x, z) of each row and state, without weights, `[*R, rows, 2^d]`."""
        states = states_of_bits(self.lower + self.upper, params["prior_logits"])
        below, above = states.split([self.lower, self.upper], -1)
        lower, upper = layer(params, "decoder_lower", above), params["prior_logits"].unsqueeze(-2)
        prior = (below * lower + logsigmoid(-lower)).sum(-1) + (above * upper + logsigmoid(-upper)).sum(-1)
        lit = layer(params, "decoder_pixels", below)
        return self.observations(params) @ lit.mT + (logsigmoid(-lit).sum(-1) + prior).unsqueeze(-2)

    @property
    def no_oracle(self) -> str | None:
        latents = self.lower + self.upper
        if latents <= MOST_LATENTS:
            return None
        return f"2^{latents} states are too many to enumerate; use lower and upper with a sum of {MOST_LATENTS} at most"

    @property
    def footprint(self) -> int:
        return self.num_rows * max(data.find(self.data).columns, self.lower + self.upper)
