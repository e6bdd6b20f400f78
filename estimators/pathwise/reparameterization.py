"""Reparameterization: differentiate the cost through the draw."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.draws import path_draws
from gradmark.estimators.requirements import DifferentiableCost, ExplicitDraws, Reparameterizable


@dataclass(frozen=True)
class Reparameterization(SurrogateEstimator):
    """Write z as a smooth function of the parameters and of parameter-free noise, and differentiate through it.

    With z_k = z(ε_k; params), ε_k ~ p(ε):

        g = 1/K Σ_k d cost(params, z_k, q) / d params        (the total derivative)

    Unbiased: E_q[cost] = E_ε[cost(z(ε; params))], and derivative and expectation exchange where the cost is smooth in
    z. For an ELBO the log q(z) inside the cost is differentiated in both of its arguments (Monte-Carlo KL).

    Where there is no such function that is smooth, as for Gamma, Beta and Dirichlet, see `ImplicitReparameterization`.

    Shapes: draws `[K, *R, *B, d]`, cost `[K, *R, *B]`, gradient as the parameters.

    Reference: kingma2014
    """

    requires = (DifferentiableCost(), Reparameterizable(), ExplicitDraws())
    evaluations = Evaluations(forward=1, backward=1)
    properties = ("order_changes_nothing", "exact_variance_halves", "draws_are_distinct")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        return path_draws(problem, params, num_samples).cost.mean(0), state
