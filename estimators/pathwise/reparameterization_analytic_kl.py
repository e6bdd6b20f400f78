"""Reparameterization with the KL divergence to the prior in closed form."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.requirements import ELBO, ClosedFormKL, DifferentiableCost, Reparameterizable


@dataclass(frozen=True)
class ReparameterizationAnalyticKL(SurrogateEstimator):
    """Reparameterize the reconstruction only; KL(q ‖ prior) and its gradient are in closed form.

    With z_k = z(ε_k; params), ε_k ~ p(ε):

        g = ∇ KL(q ‖ p(z)) − 1/K Σ_k d log p(x | z_k) / d params

    Unbiased: the KL term is exact and the rest is reparameterized. It differs from `Reparameterization` by the noise of
    the prior's cross-entropy alone; neither is always the better one.

    Shapes: draws `[K, *R, *B, d]`, cost `[K, *R, *B]`, gradient as the parameters.

    Reference: kingma2014

    The paper's second estimator, its equation 7.
    """

    requires = (ELBO("there is no KL term"), DifferentiableCost(), Reparameterizable(), ClosedFormKL())
    evaluations = Evaluations(forward=1, backward=1)
    properties = ("exact_variance_halves", "draws_are_distinct")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.rsample((num_samples,))
        return ELBO().of(problem).cost_analytic_kl(params, z, q).mean(0), state
