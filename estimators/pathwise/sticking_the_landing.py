"""Sticking the landing: the path derivative of the ELBO."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import (
    Evaluations,
    Params,
    Problem,
    State,
    SurrogateEstimator,
)
from gradmark.estimators.draws import cost_at
from gradmark.estimators.requirements import ELBO, DifferentiableCost, Reparameterizable


@dataclass(frozen=True)
class StickingTheLanding(SurrogateEstimator):
    """Reparameterize, with the parameters inside log q held constant: only the path through z is differentiated.

    With z_k = z(ε_k; params), ε_k ~ p(ε), and q̄ the same q with detached parameters:

        g = 1/K Σ_k d/d params [ log q̄(z_k) − log p(x, z_k) ]

    Unbiased: what is left out is the score ∇ log q(z) at fixed z, whose mean is zero. At q = posterior the bracket is
    constant in z and g is zero for every draw; where q is narrower than the posterior it can be noisier than
    `Reparameterization`.

    Shapes: draws `[K, *R, *B, d]`, cost `[K, *R, *B]`, gradient as the parameters.

    Reference: roeder2017
    """

    requires = (ELBO("there is no log q to hold constant"), DifferentiableCost(), Reparameterizable())
    evaluations = Evaluations(forward=1, backward=1)
    properties = ("zero_at_the_posterior", "order_changes_nothing", "exact_variance_halves", "draws_are_distinct")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = problem.distribution(params).rsample((num_samples,))
        return cost_at(problem, params, z).mean(0), state
