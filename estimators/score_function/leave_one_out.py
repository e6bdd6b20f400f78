"""The leave-one-out baseline: each draw's baseline is the mean cost of the others."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.draws import score_draws
from gradmark.estimators.requirements import MinSamples


@dataclass(frozen=True)
class LeaveOneOut(SurrogateEstimator):
    """The score function with, for each draw, the mean cost of the other draws as baseline; RLOO.

    With z_1 … z_K ~ q, K ≥ 2, and the score s(z) = ∇ log q(z):

        g = 1/K Σ_k [ (cost(z_k) − 1/(K−1) Σ_{j≠k} cost(z_j)) s(z_k) + ∂cost(z_k)/∂params ]

    Unbiased: the other draws are independent of z_k and the score has mean zero, so the baseline adds nothing to the
    mean. Adding a constant to the cost changes no draw of g; where the cost is constant (q = posterior), g is zero.

    Shapes: draws `[K, *R, *B, d]`, cost and baseline `[K, *R, *B]` (a baseline for each row and replicate).

    Reference: kool2019
    """

    requires = (MinSamples(2, "the baseline is the mean cost of the other draws"),)
    evaluations = Evaluations(forward=1, backward=0)
    properties = (
        "constants_change_nothing",
        "zero_at_the_posterior",
        "order_changes_nothing",
        "exact_variance_halves",
        "draws_are_distinct",
    )

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, z, cost = score_draws(problem, params, num_samples)
        others = (cost.sum(0) - cost) / (num_samples - 1)
        return ((cost - others).detach() * q.log_prob(z) + cost).mean(0), state
