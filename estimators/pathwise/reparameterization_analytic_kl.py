"""Reparameterization with the KL divergence to the prior in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor

from gradmark.estimators.core import LatentVariableModel, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.requirements import no_closed_form_kl, no_path, path_or_score


@dataclass(frozen=True)
class ReparameterizationAnalyticKL(SurrogateEstimator):
    """Reparameterize the reconstruction only; KL(q ‖ prior) and its gradient are in closed form.

    With z_k = z(ε_k; params), ε_k ~ p(ε):

        g = ∇ KL(q ‖ p(z)) − 1/K Σ_k d log p(x | z_k) / d params

    Unbiased: the KL term is exact and the rest is reparameterized. It differs from `Reparameterization` by the noise of
    the prior's cross-entropy alone; neither is always the better one.

    Shapes: draws `[K, *R, *B, d]`, cost `[K, *R, *B]`, gradient as the parameters.

    Reference: kingma2014

    The paper's second estimator, its equation 7.
    """

    properties = ("exact_variance_halves", "draws_are_distinct")

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        call = f"ReparameterizationAnalyticKL.estimate(problem={problem})"
        if not isinstance(problem, LatentVariableModel):
            return f"{call}: the cost is no ELBO, so there is no KL term; {path_or_score(problem)}"
        reason = no_path(problem) or no_closed_form_kl(problem)
        return None if reason is None else f"{call}: {reason}"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.rsample((num_samples,))
        return cast(LatentVariableModel, problem).cost_analytic_kl(params, z, q).mean(0), state
