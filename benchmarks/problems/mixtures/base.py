"""What mixtures share: one categorical z for each row, its posterior by Bayes' rule, and the step of EM."""

from __future__ import annotations

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from gradmark.benchmarks.problems.distributions.one_hot import one_hot_vectors
from gradmark.estimators.core import Enumerated, LatentVariableModel, Params, linear

EMPTY = 1e-10  # rows that a component answers for, below which EM cannot say what it looks like


class Mixture(LatentVariableModel):
    """k ~ Categorical(softmax(logits)), x | k from component k; z is k as one one-hot vector, event (1, components).

    Parameters: `logits` `[components]`, those of the components, and q's `encoder_weight` `[components, features]` and
    `encoder_bias` `[components]`, q(k|x) = softmax(encoder(features(x))). With q_k and p_k(x) of a row,

        E_q[cost] = Σ_k q_k [log q_k − log π_k − log p_k(x)],    p(k|x) ∝ π_k p_k(x),    log p(x) = log Σ_k π_k p_k(x)
    """

    components: int
    rows: int

    @abstractmethod
    def _log_components(self, params: Params) -> Float[Tensor, "*batch components"]:
        """log p_k(x) of each row, `[*R, rows, components]`."""

    @abstractmethod
    def _maximise_components(self, params: Params, share: Float[Tensor, "*batch rows components"]) -> Params:
        """The components' parameters that fit the rows best, each row counted by its share of the component."""

    def _features(self, params: Params) -> Tensor:
        """What q sees of each row, `[rows, features]` or `[*R, rows, features]`; a hook, the data by default."""
        return self.observations(params)

    @property
    def num_rows(self) -> int:
        return self.rows

    @property
    def num_states(self) -> int:
        return self.components

    def distribution(self, params: Params) -> Distribution:
        logits = linear(self._features(params), params["encoder_weight"], params["encoder_bias"])
        return one_hot_vectors(logits.unsqueeze(-2))

    def prior(self, params: Params) -> Distribution:
        size = self.observations(params).shape[-2]
        logits = params["logits"].unsqueeze(-2)
        return one_hot_vectors(logits.expand(*logits.shape[:-2], size, self.components).unsqueeze(-2))

    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d C"]) -> Float[Tensor, "*batch"]:
        return (z.squeeze(-2) * self._log_components(params)).sum(-1)

    def exact(self, params: Params) -> Tensor:
        log_q = linear(self._features(params), params["encoder_weight"], params["encoder_bias"]).log_softmax(-1)
        return (log_q.exp() * (log_q - self._joint(params))).sum(-1) * self.likelihood_weight

    @property
    def no_oracle(self) -> None:
        return None

    def _joint(self, params: Params) -> Tensor:
        """log π_k + log p_k(x), `[*R, rows, components]`."""
        return params["logits"].log_softmax(-1).unsqueeze(-2) + self._log_components(params)

    def log_joint_of(self, params: Params, first: int, last: int) -> Float[Tensor, "*batch states"]:
        return self._joint(params)[..., first:last]

    def posterior(self, params: Params) -> Enumerated:
        joint = self._joint(params)
        return Enumerated(torch.eye(self.components).to(joint).unsqueeze(1), joint)

    def log_evidence(self, params: Params) -> Tensor:
        """log p(x) of each row, `[*R, rows]`; under `select` with the weight of the row, as the cost."""
        return self._joint(params).logsumexp(-1) * self.likelihood_weight

    def maximise(self, params: Params) -> Params:
        """EM's step: the parameters that maximise E[log p(x, k)] over k ~ p(k|x) at `params`; q's stay as they are.

        Raises ValueError where a component is left without rows, or collapses.
        """
        share = self.posterior(params).probs
        counts = share.sum(-2)
        if float(counts.min()) < EMPTY:
            which = int(counts.flatten().argmin()) % self.components
            raise ValueError(
                f"{self}.maximise: component {which} is empty: it answers for "
                f"{float(counts.min()):.3g} of {share.shape[-2]} rows; use fewer components, or start elsewhere"
            )
        return {**params, "logits": (counts / share.shape[-2]).log(), **self._maximise_components(params, share)}

    def _encoder(self, features: int) -> Params:
        zeros = torch.zeros(self.components, features, dtype=torch.float64)
        return {"encoder_weight": zeros, "encoder_bias": zeros[:, 0].clone()}
