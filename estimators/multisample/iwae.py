"""IWAE: reparameterize the importance-weighted bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import (
    MINUS_IMPORTANCE_WEIGHTED_BOUND,
    Evaluations,
    Params,
    Problem,
    State,
    SurrogateEstimator,
)
from gradmark.estimators.multisample.base import WEIGHTED_PATH
from gradmark.estimators.requirements import ELBO


@dataclass(frozen=True)
class IWAE(SurrogateEstimator):
    """Differentiate the log of the mean importance weight of several draws, through the draws.

    With z_k = z(ε_k; params), ε_k ~ p(ε), w_k = p(x, z_k)/q(z_k|x) and w̄_k = w_k / Σ_j w_j:

        g = −∇ log 1/K Σ_k w_k = −Σ_k w̄_k d log w_k / d params        (the total derivative)

    Unbiased for minus the bound E[log 1/K Σ_k w_k], which rises with K from the evidence lower bound (K = 1, where this
    is `Reparameterization`) to log p(x); for the ELBO or for log p(x) it is biased. The signal-to-noise ratio of q's
    gradient falls as 1/√K: more draws tighten the bound and hide the way to it.

    Shapes: draws `[K, *R, *B, d]`, log w `[K, *R, *B]`: one bound for each row, or of all rows where they share z. Rows
    that stand for more have their weight outside the logarithm, but a shared z has the rows' weights within it: a
    minibatch's bound is not the whole data's, and the mean over minibatches is off by that.

    Reference: burda2016
    """

    target = MINUS_IMPORTANCE_WEIGHTED_BOUND
    requires = WEIGHTED_PATH
    evaluations = Evaluations(forward=1, backward=1)
    properties = ("order_changes_nothing", "one_draw_is_reparameterization", "draws_are_distinct")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        row = ELBO().of(problem).latent_weight
        log_w = -problem.cost(params, q.rsample((num_samples,)), q) / row
        return row * (math.log(num_samples) - log_w.logsumexp(0)), state
