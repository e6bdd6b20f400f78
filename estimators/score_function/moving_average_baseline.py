"""The moving-average baseline: subtract the average cost of earlier estimates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator, replicate_axes
from gradmark.estimators.draws import score_draws


@dataclass(frozen=True)
class MovingAverageBaseline(SurrogateEstimator):
    """The score function with the exponential moving average of *earlier* costs as baseline.

    With z_1 … z_K ~ q, the score s(z) = ∇ log q(z), and the average b_t of the estimates before this one:

        g = 1/K Σ_k [ (cost(z_k) − b_t) s(z_k) + ∂cost(z_k)/∂params ],    b_{t+1} ∝ decay b_t + (1 − decay) mean cost

    Unbiased, since b_t depends on earlier draws only. (Updating the average first shrinks the gradient by the factor
    1 − (1 − decay)/K.) The sum of the weights is carried along and divided out, so that the average is one from the
    second estimate on; before the first it is zero, and the method is the plain score function.

    Shapes: draws `[K, *R, *B, d]`, cost `[K, *R, *B]`; state `average` and `weight`, both `[*R]`: one baseline for each
    replicate, over all rows.

    Reference: williams1992

    The paper calls the baseline "reinforcement comparison" (section 5), and does not divide out the weights.
    """

    evaluations = Evaluations(forward=1, backward=0)
    keeps = ("average", "weight")

    decay: float = 0.9

    properties = ("cold_is_score_function", "exact_variance_halves")

    def validate(self) -> None:
        if not 0.0 <= self.decay < 1.0:
            raise ValueError(f"MovingAverageBaseline(decay={self.decay}): decay must be in [0, 1); try 0.9")

    def init(self, problem: Problem, params: Params) -> State:
        replicates = replicate_axes(problem, params)
        like = next(iter(params.values()))
        return {"average": like.new_zeros(replicates), "weight": like.new_zeros(replicates)}

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q, z, cost = score_draws(problem, params, num_samples)
        replicates = state["average"].shape
        rows = cost.dim() - 1 - len(replicates)
        baseline = state["average"] / state["weight"].clamp_min(torch.finfo(cost.dtype).tiny)
        baseline = baseline.reshape((*replicates, *[1] * rows))
        latest = cost.detach().mean(0).reshape((*replicates, -1)).mean(-1)
        average = self.decay * state["average"] + (1 - self.decay) * latest
        weight = self.decay * state["weight"] + (1 - self.decay)
        loss = ((cost.detach() - baseline) * q.log_prob(z) + cost).mean(0)
        return loss, {"average": average, "weight": weight}
