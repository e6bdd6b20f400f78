"""VarGrad: the gradient of the variance of log q − log p over draws."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.requirements import ELBO, MinSamples


@dataclass(frozen=True)
class VarGrad(SurrogateEstimator):
    """Differentiate half the variance of log q(z) − log p(x, z) over the draws, which are held constant.

    With z_1 … z_K ~ q, K ≥ 2, f_k = log q(z_k) − log p(x, z_k), f̄ their mean and the score s(z) = ∇ log q(z):

        g = ∇ ½ · 1/(K−1) Σ_k (f_k − f̄)²            for q's parameters: = 1/(K−1) Σ_k (f_k − f̄) s(z_k)
        g = −1/K Σ_k ∂ log p(x, z_k) / ∂params       for the model's

    Unbiased: for q's parameters it is `LeaveOneOut`, draw by draw (divided by K instead of K − 1 it would be shrunk by
    (K − 1)/K). The variance's own gradient in the model's parameters would be a covariance, and not the bound's: inside
    it log p is held constant, and the model learns from the mean of log p. Where f is constant (q = posterior), the
    gradient of q's parameters is zero.

    Shapes: draws `[K, *R, *B, d]`, f `[K, *R, *B]` (a variance for each row and replicate).

    Reference: richter2020

    The paper has q's parameters only. Public implementations that leave out the ½, or divide by K, scale the gradient.
    """

    requires = (
        ELBO("there is no log q in it whose variance could be differentiated"),
        MinSamples(2, "one draw has no variance"),
    )
    evaluations = Evaluations(forward=1, backward=0)
    properties = ("zero_at_the_posterior", "order_changes_nothing", "of_q_is_leave_one_out", "exact_variance_halves")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        model = ELBO().of(problem)
        q = model.distribution(params)
        z = q.sample((num_samples,))
        joint = model.log_joint(params, z)
        difference = q.log_prob(z) * model.latent_weight - joint.detach()
        # a row that stands for several has its weight in both factors of the square, and counts once
        return difference.var(0, correction=1) / (2 * model.latent_weight) - joint.mean(0), state
