"""Maximum likelihood without a bound: the gradient of log p(x) itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gradmark.estimators.core import (
    MINUS_LOG_EVIDENCE,
    LatentVariableModel,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    replicate_axes,
)
from gradmark.estimators.requirements import ELBO, LogEvidence

MOST_STATES = 2**20  # that are enumerated


@dataclass(frozen=True)
class ExactMarginalLikelihood(SurrogateEstimator):
    """Differentiate −log p(x), summed over every state of z, or in closed form where z is not finite.

        g = −∇ log Σ_z p(x, z)

    Exact for its target, and no draw is made: `num_samples` is not used, and the parameters of q, which log p(x) does
    not know, get zero. It is what `ExactPosterior` is a noisy estimate of. The sum has as many terms as z has states,
    2^d for d bits, so that its time doubles with each. A part of the states is seen at a time, `at_once` numbers in its
    largest tensor at the most, and computed again going backward, which bounds the memory. Past 2^20 states it refuses.

    Shapes: log p(x, z) `[*R, rows, states]`, a part at a time, gradient as the parameters.

    Raises:
        ValueError: `at_once` is below 1.

    Reference: dempster1977
    """

    target = MINUS_LOG_EVIDENCE
    deterministic = True
    requires = (LogEvidence(MOST_STATES),)
    evaluations = "one for each state of z; none where log p(x) has a closed form"

    at_once: int = 2**22

    def validate(self) -> None:
        if self.at_once < 1:
            raise ValueError(f"ExactMarginalLikelihood(at_once={self.at_once}): a part holds a number; pass 1 or more")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        model = ELBO().of(problem)
        if model.num_states is None:
            return -LogEvidence(MOST_STATES).of(model, params), state
        return -self._enumerated(model, params), state

    def _enumerated(self, model: LatentVariableModel, params: Params) -> Tensor:
        """log Σ_z p(x, z) of each row, `[*R, rows]`, from the sums of the parts."""
        last = model.num_states or 0
        size = max(1, self.at_once // (model.footprint * replicate_axes(model, params).numel()))

        def part(first: int) -> Tensor:
            return model.log_joint_of(params, first, min(first + size, last)).logsumexp(-1)

        parts = [
            checkpoint(part, first, use_reentrant=False, preserve_rng_state=False) if size < last else part(first)
            for first in range(0, last, size)
        ]
        return torch.stack(parts, -1).logsumexp(-1) * model.likelihood_weight
