"""Samples from the exact posterior: the Fisher identity's gradient of log p(x)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from gradmark.estimators.core import (
    MINUS_LOG_EVIDENCE,
    LatentVariableModel,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
)
from gradmark.estimators.requirements import SCORE, exact_or_score


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

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        call = f"ExactPosterior.estimate(problem={problem})"
        if not isinstance(problem, LatentVariableModel):
            return f"{call}: the problem is no latent-variable model, so it has no posterior; {exact_or_score(problem)}"
        params = {name: value.requires_grad_() for name, value in problem.init().items()}
        with torch.enable_grad():
            posterior, evidence = problem.posterior(detached(params)), problem.log_evidence(params)
        if posterior is None:
            return f"{call}: the exact p(z|x) is not known here; use a problem that has one, such as LinearGaussian()"
        if evidence is not None and not evidence.requires_grad:
            return f"{call}: log p(x) has no parameters, so that its gradient is zero; for those of q {SCORE}"
        return None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        model = cast(LatentVariableModel, problem)
        posterior = model.posterior(detached(params))
        if posterior is None:
            raise ValueError(f"ExactPosterior.estimate(problem={problem}): the exact p(z|x) is not known here")
        return -model.log_joint(params, posterior.sample((num_samples,))).mean(0), state
