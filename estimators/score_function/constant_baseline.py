"""The constant baseline: subtract a number that is chosen beforehand."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.draws import score_draws


@dataclass(frozen=True)
class ConstantBaseline(SurrogateEstimator):
    """The score function with a fixed number, the field `baseline`, subtracted from every cost.

    With z_1 … z_K ~ q, the score s(z) = ∇ log q(z), and the baseline b:

        g = 1/K Σ_k [ (cost(z_k) − b) s(z_k) + ∂cost(z_k)/∂params ]

    Unbiased, since b is not drawn and the score has mean zero. The variance of each coordinate is a parabola in b. Its
    lowest point is E[cost s²]/E[s²], which is in general not the mean cost, and differs from coordinate to coordinate.
    A baseline that is farther from it than zero is noisier than none at all. With b = 0 the method is the plain score
    function. Where there are rows, b is subtracted from the cost of each row.

    Shapes: draws `[K, *R, *B, d]`, cost `[K, *R, *B]`, gradient as the parameters.

    Reference: williams1992

    In the paper a baseline may differ from unit to unit; here there is one for all.
    """

    evaluations = Evaluations(forward=1, backward=0)
    properties = ("order_changes_nothing", "exact_variance_halves", "draws_are_distinct")

    baseline: float = 1.0

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, z, cost = score_draws(problem, params, num_samples)
        return ((cost.detach() - self.baseline) * q.log_prob(z) + cost).mean(0), state
