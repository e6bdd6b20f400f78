"""VIMCO: the score function for the importance-weighted bound, each draw with a baseline made of the others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators.core import (
    MINUS_IMPORTANCE_WEIGHTED_BOUND,
    Evaluations,
    Params,
    Problem,
    State,
    SurrogateEstimator,
)
from gradmark.estimators.requirements import ELBO, MinSamples


@dataclass(frozen=True)
class VIMCO(SurrogateEstimator):
    """Weigh each draw's score by what the draw adds to the bound: the bound less that of the others.

    With z_1 … z_K ~ q, K ≥ 2, w_k = p(x, z_k)/q(z_k|x), L = log 1/K Σ_k w_k, w̄_k = w_k / Σ_j w_j, and L_{−k} the bound
    with w_k replaced by the *geometric* mean of the other weights, the score s(z) = ∇ log q(z):

        g = −Σ_k [ (L − L_{−k}) s(z_k) + w̄_k ∂ log w_k/∂params ]        at fixed z_k

    Unbiased for minus the importance-weighted bound of K draws, and not for the ELBO: L_{−k} is independent of z_k. The
    second term holds the model's gradient and, for q's parameters, −w̄_k s(z_k), whose mean is not zero. The scores are
    summed over the draws, not averaged: all of them carry the one bound.

    Shapes: draws `[K, *R, *B, d]`, log w `[K, *R, *B]`, and `[K, K, *R, *B]` for the baselines.

    Reference: mnih2016

    L_{−k} is a logsumexp over the K weights of its own, which costs K² and never subtracts two large numbers: where one
    weight dominates, Σ_j w_j − w_k would be all rounding.
    """

    target = MINUS_IMPORTANCE_WEIGHTED_BOUND
    requires = (
        ELBO("there are no importance weights"),
        MinSamples(
            2, "the baseline is made of the other draws", instead="use ScoreFunction() for the bound of one draw"
        ),
    )
    evaluations = Evaluations(forward=1, backward=0)
    properties = ("order_changes_nothing", "draws_are_distinct")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        row = ELBO().of(problem).latent_weight
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        log_w = -problem.cost(params, z, q) / row
        bound = log_w.logsumexp(0) - math.log(num_samples)
        added = bound.detach() - _bounds_of_the_others(log_w.detach())
        return -row * ((added * q.log_prob(z)).sum(0) + bound), state


def _bounds_of_the_others(log_w: Tensor) -> Tensor:
    """L_{−k}: log w `[K, *batch]` to `[K, *batch]`."""
    count = len(log_w)
    geometric = (log_w.sum(0) - log_w) / (count - 1)
    own = torch.eye(count, dtype=torch.bool, device=log_w.device).view(count, count, *[1] * (log_w.dim() - 1))
    return torch.where(own, geometric, log_w).logsumexp(1) - math.log(count)
