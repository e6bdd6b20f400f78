"""The variational auto-encoder with binary latents, small enough to be enumerated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, kl_divergence
from torch.nn.functional import logsigmoid

from gradmark.benchmarks import data
from gradmark.benchmarks.problems.autoencoders.base import (
    check_layers,
    initial_layers,
    layer,
    pixels,
    pixels_log_likelihood,
)
from gradmark.benchmarks.problems.enumeration import NODES, by_rows, importance_weighted_bound
from gradmark.benchmarks.problems.terms import by_coordinate
from gradmark.estimators.core import Enumerated, LatentVariableModel, Params, Term

MOST_LATENTS = 12  # that are enumerated
MOST_LATENTS_OF_A_BOUND = 8  # for bounds of several draws, whose states are summed over at some 512 nodes


@dataclass(frozen=True)
class BernoulliVAE(LatentVariableModel):
    """z_k ~ Bernoulli(prior_k), pixels x_j | z ~ Bernoulli(decoder(z)_j), q(z_k|x) = Bernoulli(encoder(x)_k).

    `layers="linear"` has affine encoder and decoder, `"nonlinear"` puts two layers of `hidden` tanh units into each.
    The prior's `prior_logits` `[latents]` are parameters, or zero for `learned_prior=False`. Intensities in [0, 1] are
    used directly as the targets of the cross-entropy, not binarised. The other parameters are a `_weight`
    `[outputs, inputs]` and a `_bias` `[outputs]` for each of `encoder_logits` and `decoder_logits`, and, when
    nonlinear, of `encoder_hidden1`, `encoder_hidden2`, `decoder_hidden1` and `decoder_hidden2`.

    Oracle, up to 12 latents, by enumeration of the 2^latents states z, l(z) = decoder(z); p(z|x) and log p(x) likewise,
    and, up to 8 latents, importance-weighted bounds of any number of draws:

        E_q[cost] = KL(q ‖ p(z)) − Σ_z q(z|x) Σ_j [x_j l_j(z) − softplus(l_j(z))]

    Shapes: z `[*S, *R, rows, latents]`, cost `[*S, *R, rows]`, oracle and evidence `[*R, rows]`.

    Raises BadInput for an unknown data set, ValueError for one without pixels, unknown layers and sizes out of range.

    Reference: tucker2017 (section 5.2; there on binarised images that are centred before they are encoded)
    """

    data: str = "digits"
    latents: int = 8
    layers: str = "linear"
    hidden: int = 200
    learned_prior: bool = True
    rows: int | None = None

    def validate(self) -> None:
        check_layers(self, self.data, self.rows, ["latents"], self.hidden)
        if self.layers not in ("linear", "nonlinear"):
            raise ValueError(f"BernoulliVAE(layers={self.layers!r}): use linear or nonlinear")

    def init(self) -> Params:
        columns = data.find(self.data).columns
        encoder, decoder = self._sizes("encoder", columns, self.latents), self._sizes("decoder", self.latents, columns)
        prior = {"prior_logits": torch.zeros(self.latents, dtype=torch.float64)} if self.learned_prior else {}
        return initial_layers(encoder | decoder) | prior

    def _sizes(self, side: str, inputs: int, outputs: int) -> dict[str, tuple[int, int]]:
        if self.layers == "linear":
            return {f"{side}_logits": (outputs, inputs)}
        hidden = {f"{side}_hidden1": (self.hidden, inputs), f"{side}_hidden2": (self.hidden, self.hidden)}
        return hidden | {f"{side}_logits": (outputs, self.hidden)}

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return pixels(self.data, self.rows, dtype, device)

    @property
    def num_rows(self) -> int:
        return self.rows or data.find(self.data).rows

    def _logits(self, params: Params, side: str, x: Tensor) -> Tensor:
        """The encoder's or the decoder's logits: x `[*S, *R, rows, inputs]` to `[*S, *R, rows, outputs]`."""
        if self.layers == "nonlinear":
            x = layer(params, f"{side}_hidden2", layer(params, f"{side}_hidden1", x).tanh()).tanh()
        return layer(params, f"{side}_logits", x)

    def distribution(self, params: Params) -> Distribution:
        logits = self._logits(params, "encoder", self.observations(params))
        return Independent(Bernoulli(logits=logits, validate_args=False), 1, validate_args=False)

    def prior(self, params: Params) -> Distribution:
        like = params["encoder_logits_bias"]
        logits = params["prior_logits"] if self.learned_prior else torch.zeros_like(like)
        size = self.observations(params).shape[-2]
        logits = logits.unsqueeze(-2).expand(*like.shape[:-1], size, self.latents)  # the closed-form KL needs q's shape
        return Independent(Bernoulli(logits=logits, validate_args=False), 1, validate_args=False)

    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        return pixels_log_likelihood(self._logits(params, "decoder", z), self.observations(params))

    def terms(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> list[Term]:
        return by_coordinate(self, params, z, q)

    def exact(self, params: Params) -> Tensor | None:
        if self.no_oracle is not None:
            return None
        states, decoded, unlit = self._enumerated(params)
        q = self.distribution(params)

        def expected_log_likelihood(encoded: Tensor, x: Tensor) -> Tensor:
            weight = _log_prob(encoded, states).exp()
            return (weight @ decoded * x).sum(-1) + (weight @ unlit.unsqueeze(-1)).squeeze(-1)

        encoded = self._logits(params, "encoder", self.observations(params))
        likelihood = by_rows(expected_log_likelihood, len(states), encoded, self.observations(params))
        divergence = kl_divergence(q, self.prior(params))
        return divergence * self.latent_weight - likelihood * self.likelihood_weight

    def posterior(self, params: Params) -> Enumerated | None:
        """p(z|x) over all 2^latents states; None where they are too many."""
        if self.no_oracle is not None:
            return None
        return Enumerated(self._states(params, 0, 2**self.latents), self.log_joint_of(params, 0, 2**self.latents))

    @property
    def num_states(self) -> int:
        return 2**self.latents

    def log_joint_of(self, params: Params, first: int, last: int) -> Float[Tensor, "*batch states"]:
        states, decoded, unlit = self._enumerated(params, first, last)
        return self._expanded(params) @ decoded.mT + (self._log_prior(params, states) + unlit.unsqueeze(-2))

    def log_evidence(self, params: Params) -> Tensor | None:
        """log p(x) of each row, `[*R, rows]`; under `select` with the weight of the row, as the cost."""
        if self.no_oracle is not None:
            return None
        states, decoded, unlit = self._enumerated(params)
        joint = self._log_prior(params, states) + unlit.unsqueeze(-2)

        def log_sum(x: Tensor) -> Tensor:
            return (x @ decoded.mT + joint).logsumexp(-1)

        return by_rows(log_sum, len(states), self._expanded(params)) * self.likelihood_weight

    def exact_bound(self, params: Params, num_samples: int) -> Tensor | None:
        if self.latents > MOST_LATENTS_OF_A_BOUND:
            return None
        wide = {name: value.double() for name, value in params.items()}
        states, decoded, unlit = self._enumerated(wide)
        joint = self._log_prior(wide, states) + unlit.unsqueeze(-2)

        def bound(encoded: Tensor, x: Tensor) -> Tensor:
            log_q = _log_prob(encoded, states)
            return importance_weighted_bound(log_q, x @ decoded.mT + joint - log_q, num_samples)

        x = self._expanded(wide)
        found = by_rows(bound, len(states) * NODES, self._logits(wide, "encoder", x), x)
        return (found * self.likelihood_weight).to(params["encoder_logits_bias"].dtype)

    def _log_prior(self, params: Params, states: Tensor) -> Tensor:
        """log p(z) of each state, `[*R, 1, states]`."""
        like = params["encoder_logits_bias"]
        logits = params["prior_logits"] if self.learned_prior else torch.zeros_like(like)
        return _log_prob(logits.unsqueeze(-2), states)

    def _expanded(self, params: Params) -> Tensor:
        """The observations, `[*R, rows, pixels]`, also where all replicates see the same."""
        x = self.observations(params)
        return x.expand(*params["encoder_logits_bias"].shape[:-1], *x.shape[-2:])

    def _enumerated(self, params: Params, first: int = 0, last: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """States `[states, latents]`, their logits `[*R, states, pixels]`, −Σ softplus `[*R, states]`; all or some."""
        states = self._states(params, first, last or 2**self.latents)
        decoded = self._logits(params, "decoder", states)
        return states, decoded, logsigmoid(-decoded).sum(-1)

    def _states(self, params: Params, first: int, last: int) -> Tensor:
        """The bits of the numbers `first` to `last` − 1, `[states, latents]`."""
        like = params["encoder_logits_bias"]
        bits = torch.arange(first, last, device=like.device).unsqueeze(-1)
        return (bits >> torch.arange(self.latents, device=like.device) & 1).to(like.dtype)

    @property
    def no_oracle(self) -> str | None:
        if self.latents <= MOST_LATENTS:
            return None
        return f"2^{self.latents} states are too many to enumerate; use latents={MOST_LATENTS} or fewer"

    @property
    def footprint(self) -> int:
        widest = max(data.find(self.data).columns, self.hidden if self.layers == "nonlinear" else self.latents)
        return self.num_rows * widest


def _log_prob(logits: Tensor, states: Tensor) -> Tensor:
    """log of the probability of each state: logits `[*R, rows, latents]` to `[*R, rows, states]`."""
    return logits @ states.mT + logsigmoid(-logits).sum(-1, keepdim=True)
