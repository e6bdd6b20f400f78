"""The straight-through estimator: forward the hard draw, backward through its mean."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Params, Problem, State, SurrogateEstimator, detached
from gradmark.estimators.requirements import SCORE, has_mean, path_or_score, reparameterizable


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
    properties = ("exact_variance_halves",)

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        call = f"StraightThrough.estimate(problem={problem})"
        if not problem.differentiable:
            return f"{call}: the cost has steps, of which its derivative in z says nothing; {SCORE}"
        if reparameterizable(problem):
            return (
                f"{call}: z is continuous, and differentiating as if a draw were "
                f"its mean would lose the scale; {path_or_score(problem)}"
            )
        if not has_mean(problem):
            return f"{call}: the mean of q is not known, as its coordinates are drawn in stages; {SCORE}"
        return None

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        hard = q.sample((num_samples,))
        z = hard + (q.mean - q.mean.detach())
        return problem.cost(params, z, problem.distribution(detached(params))).mean(0), state
