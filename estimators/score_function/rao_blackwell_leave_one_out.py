"""The Rao-Blackwellised score function with a leave-one-out baseline for each site."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.requirements import CostInTerms, MinSamples, Stages
from gradmark.estimators.score_function.base import of_others, split_cost


@dataclass(frozen=True)
class RaoBlackwellLeaveOneOut(SurrogateEstimator):
    """Weigh the score of each coordinate of z by the terms that its draw can change, less their mean over other draws.

    With z_1 … z_K ~ q, K ≥ 2, the score s_i = ∇ log q(z_i | earlier stages) of each site i, cost = Σ_t f_t, and the
    weight w_i of site i, which is the sum of the terms downstream of it:

        w_i(z) = Σ_{t downstream of i} f_t(z)
        g = 1/K Σ_k [ Σ_i s_i(z_k) (w_i(z_k) − 1/(K−1) Σ_{j≠k} w_i(z_j)) + ∂cost(z_k)/∂params ]

    Unbiased, as terms that are not downstream have no mean against s_i, and the weights of the other draws are
    independent of z_k. A constant in any term has no effect. Where q is independent in its coordinates and the cost is
    a sum over them, each coordinate has the variance that `LeaveOneOut` has for it alone. Elsewhere it need not fall
    below that of `LeaveOneOut`: terms that are left out may cancel noise of those that stay, and where q is the
    posterior the cost is a constant, but its parts are not.

    Shapes: draws `[K, *R, *B, d]`, terms `[K, *R, *B, T]`, weights and baselines `[K, *R, *B, d]`.

    Reference: ranganath2014

    Sites and stages are those of `RaoBlackwellScoreFunction`; the baseline is that of `LeaveOneOut` [kool2019].
    """

    requires = (Stages(), CostInTerms(), MinSamples(2, "the baselines are of the other draws"))
    evaluations = Evaluations(forward=1, backward=0)
    properties = ("order_changes_nothing", "exact_variance_halves", "draws_are_distinct")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        log_q, weights, terms = split_cost(problem, params, num_samples)
        return (((weights - of_others(weights)) * log_q).sum(-1) + terms.sum(-1)).mean(0), state
