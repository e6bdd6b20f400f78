"""The score-function estimator: weigh the gradient of log q by the cost."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.draws import score_draws


@dataclass(frozen=True)
class ScoreFunction(SurrogateEstimator):
    """Weigh the score of each draw by its cost; also known as REINFORCE and the likelihood-ratio method.

    With z_1 … z_K ~ q and the score s(z) = ∇ log q(z):

        g = 1/K Σ_k [ cost(z_k) s(z_k) + ∂cost(z_k)/∂params ]

    Unbiased, since ∇E_q[cost] = ∫ (cost ∇q + q ∂cost) and ∇q = q s, as long as the support of q does not depend on the
    parameters. The cost is evaluated with a q of detached parameters: the zero-mean score that log q would add to an
    ELBO's cost is left out.

    Shapes: draws `[K, *R, *B, d]`, cost `[K, *R, *B]`, gradient as the parameters.

    Reference: williams1992
    """

    evaluations = Evaluations(forward=1, backward=0)
    properties = ("order_changes_nothing", "exact_variance_halves", "draws_are_distinct")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, z, cost = score_draws(problem, params, num_samples)
        return (cost.detach() * q.log_prob(z) + cost).mean(0), state
