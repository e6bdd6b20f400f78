"""The straight-through estimator: forward the hard draw, backward through its mean."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.draws import cost_at
from gradmark.estimators.requirements import DifferentiableCost, KnownMean, NotReparameterizable


@dataclass(frozen=True)
class StraightThrough(SurrogateEstimator):
    """Evaluate the cost at the hard draw and differentiate as if the draw were its mean.

    With b_k ~ q, m(params) = E_q[b]:

        g = 1/K Σ_k [ ∂cost/∂z (b_k) · dm/d params + ∂cost(b_k)/∂params ]

    Biased, unless the cost is linear in z between the states of each coordinate: the derivative at a state stands for
    the difference between states. For one Bernoulli with cost (b − t)² the bias is p(1−p)(2p−1), which can turn the
    gradient's sign. The cost must be defined, and differentiable, between the states.

    Shapes: draws `[K, *R, *B, d]`, cost `[K, *R, *B]`, gradient as the parameters.

    Reference: bengio2013
    """

    unbiased = False
    requires = (
        DifferentiableCost(),
        NotReparameterizable("differentiating as if a draw were its mean would lose the scale"),
        KnownMean(),
    )
    evaluations = Evaluations(forward=1, backward=1)
    properties = ("exact_variance_halves", "unbiased_for_the_model")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        hard, mean = q.sample((num_samples,)), KnownMean().of(q)
        z = hard + (mean - mean.detach())
        return cost_at(problem, params, z).mean(0), state
