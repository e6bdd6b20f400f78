"""Maximum likelihood without a bound: the gradient of log p(x) itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

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
from gradmark.estimators.requirements import SCORE, exact_or_score, path_or_score

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

    at_once: int = 2**22

    target = MINUS_LOG_EVIDENCE
    deterministic = True

    def validate(self) -> None:
        if self.at_once < 1:
            raise ValueError(f"ExactMarginalLikelihood(at_once={self.at_once}): a part holds a number; pass 1 or more")

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        call = f"ExactMarginalLikelihood.estimate(problem={problem})"
        if not isinstance(problem, LatentVariableModel):
            return f"{call}: the problem is no latent-variable model, so it has no log p(x); {exact_or_score(problem)}"
        if problem.num_states is not None:
            if problem.num_states <= MOST_STATES:
                return None
            states = problem.num_states if problem.num_states < 10**9 else f"2^{problem.num_states.bit_length() - 1}"
            many = f"{states} states are too many to enumerate, {MOST_STATES} (2^20) at the most"
            return f"{call}: {many}; use fewer latents, or, of the bound, {SCORE}"
        params = {name: value.requires_grad_() for name, value in problem.init().items()}
        with torch.enable_grad():
            evidence = problem.log_evidence(params)
        if evidence is None:
            return f"{call}: log p(x) has no closed form here, and z is not finite; {path_or_score(problem)}"
        if not evidence.requires_grad:
            return f"{call}: log p(x) has no parameters, so that its gradient is zero; for those of q {SCORE}"
        return None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        model = cast(LatentVariableModel, problem)
        evidence = model.log_evidence(params) if model.num_states is None else self._enumerated(model, params)
        if evidence is None:
            raise ValueError(f"ExactMarginalLikelihood.estimate(problem={problem}): log p(x) is not known here")
        return -evidence, state

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
