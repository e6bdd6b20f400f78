"""Neural variational inference and learning: a baseline for each row, learned from the row's data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators.core import (
    Evaluations,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    replicate_axes,
)
from gradmark.estimators.draws import score_draws
from gradmark.estimators.requirements import ELBO, RowLatents


@dataclass(frozen=True)
class NVIL(SurrogateEstimator):
    """The score function with a baseline that is learned: a function of each row's data, and a moving average.

    With z_1 … z_K ~ q(z|x), the score s(z) = ∇ log q(z|x), and for each row x the baseline b(x) = ψᵀx:

        g = 1/K Σ_k [ (cost(z_k) − b(x) − c) s(z_k) + ∂cost(z_k)/∂params ]

    summed over rows. Unbiased, since ψ and c are those of earlier estimates, and x is not drawn given the rows. c is
    the moving average of cost − b(x) over all rows, with the sum of its weights divided out. ψ takes a step down the
    squared error of all that is left, divided so that no `rate` up to 1 makes the two diverge:

        ψ ← ψ + rate · mean[(cost − b(x) − c) x] / mean[1 + |x|²],      c ∝ decay c + (1 − decay) mean[cost − b(x)]

    Before the first estimate both are zero, and the method is the plain score function.

    Shapes: draws `[K, *R, *B, d]`, cost `[K, *R, *B]`; state `slope` ψ `[*R, D]`, `average` and `weight` `[*R]`.

    Reference: mnih2014

    The paper's b is a network of one hidden layer; here it is linear. The paper also divides by max(1, sd), the
    running standard deviation of the residual: that rescales the gradient, as a learning rate would, so it is left out.
    It updates c before it uses it, which shrinks the gradient.
    """

    requires = (RowLatents(),)
    evaluations = Evaluations(forward=1, backward=0)
    keeps = ("slope", "average", "weight")
    properties = ("exact_variance_halves",)

    rate: float = 0.1
    decay: float = 0.9

    def validate(self) -> None:
        if not 0.0 < self.rate <= 1.0:
            raise ValueError(f"NVIL(rate={self.rate}): rate must be in (0, 1], beyond it b can diverge; try 0.1")
        if not 0.0 <= self.decay < 1.0:
            raise ValueError(f"NVIL(decay={self.decay}): decay must be in [0, 1); try 0.9")

    def init(self, problem: Problem, params: Params) -> State:
        replicates, like = replicate_axes(problem, params), next(iter(params.values()))
        columns = ELBO().of(problem).observations(params).shape[-1]
        return {
            "slope": like.new_zeros(*replicates, columns),
            "average": like.new_zeros(replicates),
            "weight": like.new_zeros(replicates),
        }

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        x = ELBO().of(problem).observations(params)
        q, z, cost = score_draws(problem, params, num_samples)
        above = cost.detach() - (x @ state["slope"].unsqueeze(-1)).squeeze(-1)
        average = state["average"] / state["weight"].clamp_min(torch.finfo(cost.dtype).tiny)
        residual = above - average.unsqueeze(-1)
        loss = (residual * q.log_prob(z) + cost).mean(0)
        step = (residual.mean(0).unsqueeze(-1) * x).mean(-2) / (1 + x.square().sum(-1)).mean(-1, keepdim=True)
        return loss, {
            "slope": state["slope"] + self.rate * step,
            "average": self.decay * state["average"] + (1 - self.decay) * above.mean((0, -1)),
            "weight": self.decay * state["weight"] + (1 - self.decay),
        }
