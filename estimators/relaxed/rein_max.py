"""ReinMax: a straight-through estimator that is exact for costs which are quadratic between the states."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.draws import cost_at
from gradmark.estimators.requirements import BitsOrCategories, DifferentiableCost


@dataclass(frozen=True)
class ReinMax(SurrogateEstimator):
    """Straight-through to second order: the difference between two states by the trapezoidal rule.

    With b_k ~ q, m(params) = E_q[b], and for each site the score s(b_k) = ∇ log q(b_k):

        g = 1/K Σ_k [ ½ ∂cost/∂z (b_k) · ( dm/d params + (b_k − m) s(b_k) ) + ∂cost(b_k)/∂params ]

    Biased, unless the cost is quadratic in each site between its states. The mean has ½ (cost′(b) + cost′(c))(b − c)
    for cost(b) − cost(c), which is the trapezoidal rule: exact for a quadratic, and for one bit off by a twelfth of the
    third derivative between the states. The cost must be defined, and differentiable, between the states.

    Shapes: draws `[K, *R, *B, *event]`, cost `[K, *R, *B]`, gradient as the parameters.

    Reference: liu2023

    With D = b_k and π = m the paper writes 2 J((π + D)/2) − ½ J(π), where J(x) = diag(x) − x xᵀ, which is half of
    J(π) + (D − π)(D − π)ᵀ. Its temperature is 1 here: at another one, quadratics are not exact.
    """

    unbiased = False
    requires = (BitsOrCategories(), DifferentiableCost())
    evaluations = Evaluations(forward=1, backward=1)
    properties = ("exact_variance_halves", "exact_for_quadratic_costs", "unbiased_for_the_model")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        relaxed = BitsOrCategories().of(q)
        b, mean = q.sample((num_samples,)), relaxed.mean
        path = (mean + (b - mean.detach()) * relaxed.log_prob(b)) / 2
        z = b + (path - path.detach())
        return cost_at(problem, params, z).mean(0), state
