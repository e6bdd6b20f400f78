"""Samples from the exact posterior: the Fisher identity's gradient of log p(x)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import (
    MINUS_LOG_EVIDENCE,
    Evaluations,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
)
from gradmark.estimators.requirements import ELBO, Posterior


@dataclass(frozen=True)
class ExactPosterior(SurrogateEstimator):
    """Draw z from p(z|x) and differentiate the log joint in the model's parameters.

    With z_1 … z_K ~ p(z|x):

        g = −1/K Σ_k ∂ log p(x, z_k) / ∂params

    Unbiased for ∇(−log p(x)), by the Fisher identity ∇ log p(x) = E_{p(z|x)}[∇ log p(x, z)]: it is the ELBO's gradient
    at q = posterior. The parameters of q are not reached and get zero.

    Shapes: draws `[K, *R, *B, d]`, log joint `[K, *R, *B]`, gradient as the parameters.

    Reference: dempster1977

    The identity is credited to R. A. Fisher in the paper's discussion.
    """

    target = MINUS_LOG_EVIDENCE
    requires = (Posterior(),)
    evaluations = Evaluations(forward=1, backward=0)

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = Posterior().of(problem, detached(params)).sample((num_samples,))
        return -ELBO().of(problem).log_joint(params, z).mean(0), state
