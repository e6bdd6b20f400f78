"""Reparameterization: differentiate the cost through the draw."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Params, Problem, State, SurrogateEstimator
from gradmark.estimators.requirements import implicit, no_path


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

    properties = ("order_changes_nothing", "exact_variance_halves", "draws_are_distinct")

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        reason = no_path(problem)
        if reason is None and implicit(problem):
            reason = "z is no smooth function of noise, as it is drawn by rejection; use ImplicitReparameterization()"
        return None if reason is None else f"Reparameterization.estimate(problem={problem}): {reason}"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.rsample((num_samples,))
        return problem.cost(params, z, q).mean(0), state
