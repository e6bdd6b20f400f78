"""What auto-encoders with binary latents share: bound, posterior and evidence by enumeration of the states."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, kl_divergence
from torch.nn.functional import logsigmoid

from gradmark.benchmarks import data
from gradmark.benchmarks.problems.autoencoders.base import (
    ImageModel,
    check_layers,
    initial_layers,
    pixels_log_likelihood,
)
from gradmark.benchmarks.problems.distributions.bits import states_of_bits
from gradmark.benchmarks.problems.enumeration import NODES, by_rows, importance_weighted_bound
from gradmark.benchmarks.problems.terms import by_coordinate
from gradmark.estimators.core import Enumerated, Params, Term

MOST_LATENTS = 12  # that are enumerated
MOST_LATENTS_OF_A_BOUND = 8  # for bounds of several draws, whose states are summed over at some 512 nodes


@dataclass(frozen=True)
class BinaryAutoEncoder(ImageModel):
    """z_k ~ Bernoulli(prior_k), pixels x_j | z ~ Bernoulli(decoder(z)_j), q(z_k|x) = Bernoulli(encoder(x)_k).

    Everything by enumeration of the 2^latents states. A subclass is of a kind of layers (`AffineLayers`, `TanhLayers`)
    and of a kind of prior (`LearnedPrior`, `FixedPrior`).
    """

    data: str = "digits"
    latents: int = 8
    rows: int | None = None

    @abstractmethod
    def sizes(self, side: str, inputs: int, outputs: int) -> dict[str, tuple[int, int]]:
        """Name to (outputs, inputs) of the layers of one `side`, "encoder" or "decoder"."""

    @abstractmethod
    def logits(self, params: Params, side: str, x: Tensor) -> Tensor:
        """The encoder's or the decoder's logits: x `[*S, *R, rows, inputs]` to `[*S, *R, rows, outputs]`."""

    @abstractmethod
    def prior_parameters(self) -> Params:
        """The prior's own parameters at the start; empty where it has none."""

    @abstractmethod
    def prior_logits(self, params: Params) -> Tensor:
        """The prior's logits, `[*R, latents]`."""

    @property
    def widest(self) -> int:
        """The units of the widest layer but for the pixels."""
        return self.latents

    def validate(self) -> None:
        check_layers(self, self.data, self.rows, ["latents"])

    def init(self) -> Params:
        columns = data.find(self.data).columns
        encoder, decoder = self.sizes("encoder", columns, self.latents), self.sizes("decoder", self.latents, columns)
        return initial_layers(encoder | decoder) | self.prior_parameters()

    def distribution(self, params: Params) -> Distribution:
        logits = self.logits(params, "encoder", self.observations(params))
        return Independent(Bernoulli(logits=logits, validate_args=False), 1, validate_args=False)

    def prior(self, params: Params) -> Distribution:
        like = params["encoder_logits_bias"]
        shape = (*like.shape[:-1], self.seen_rows, self.latents)  # the closed-form KL needs q's
        logits = self.prior_logits(params).unsqueeze(-2).expand(shape)
        return Independent(Bernoulli(logits=logits, validate_args=False), 1, validate_args=False)

    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        return pixels_log_likelihood(self.logits(params, "decoder", z), self.observations(params))

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

        encoded = self.logits(params, "encoder", self.observations(params))
        likelihood = by_rows(expected_log_likelihood, len(states), encoded, self.observations(params))
        divergence = kl_divergence(q, self.prior(params))
        return divergence * self.latent_weight - likelihood * self.likelihood_weight

    def posterior(self, params: Params) -> Enumerated | None:
        """p(z|x) over all 2^latents states; None where they are too many."""
        if self.no_oracle is not None:
            return None
        return Enumerated(
            states_of_bits(self.latents, params["encoder_logits_bias"]), self.log_joint_of(params, 0, self.num_states)
        )

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
        found = by_rows(bound, len(states) * NODES, self.logits(wide, "encoder", x), x)
        return (found * self.likelihood_weight).to(params["encoder_logits_bias"].dtype)

    def _log_prior(self, params: Params, states: Tensor) -> Tensor:
        """log p(z) of each state, `[*R, 1, states]`."""
        return _log_prob(self.prior_logits(params).unsqueeze(-2), states)

    def _expanded(self, params: Params) -> Tensor:
        """The observations, `[*R, rows, pixels]`, also where all replicates see the same."""
        x = self.observations(params)
        return x.expand(*params["encoder_logits_bias"].shape[:-1], *x.shape[-2:])

    def _enumerated(self, params: Params, first: int = 0, last: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """States `[states, latents]`, their logits `[*R, states, pixels]`, −Σ softplus `[*R, states]`; all or some."""
        states = states_of_bits(self.latents, params["encoder_logits_bias"], first, last)
        decoded = self.logits(params, "decoder", states)
        return states, decoded, logsigmoid(-decoded).sum(-1)

    @property
    def no_oracle(self) -> str | None:
        if self.latents <= MOST_LATENTS:
            return None
        return f"2^{self.latents} states are too many to enumerate; use latents={MOST_LATENTS} or fewer"

    @property
    def footprint(self) -> int:
        return self.num_rows * max(data.find(self.data).columns, self.widest)


def _log_prob(logits: Tensor, states: Tensor) -> Tensor:
    """log of the probability of each state: logits `[*R, rows, latents]` to `[*R, rows, states]`."""
    return logits @ states.mT + logsigmoid(-logits).sum(-1, keepdim=True)
