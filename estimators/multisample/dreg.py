"""DReG: the importance-weighted bound, reparameterized twice."""

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
from gradmark.estimators.draws import cost_at
from gradmark.estimators.multisample.base import WEIGHTED_PATH
from gradmark.estimators.requirements import ELBO


@dataclass(frozen=True)
class DReG(SurrogateEstimator):
    """Weigh the path of each draw by the square of its normalised weight, and leave the score of q out.

    With z_k = z(ε_k; params), ε_k ~ p(ε), w_k = p(x, z_k)/q̄(z_k|x) with detached parameters in q̄, w̄_k = w_k / Σ_j w_j:

        g = −Σ_k w̄_k² (∂ log w_k/∂z_k) dz_k/d params          through the draws: q's parameters
        g = −Σ_k w̄_k  ∂ log p(x, z_k)/∂ params at fixed z_k    the model's: as `IWAE`

    Unbiased for minus the importance-weighted bound: the score that `IWAE` has besides, −w̄_k ∇ log q(z_k) at fixed z_k,
    is no longer of mean zero, but reparameterized once more it is (w̄_k² − w̄_k) times the path. At q = posterior log w
    is constant and the gradient of q's parameters is zero for every draw; K = 1 is `StickingTheLanding`. A parameter
    that q and the model share gets both parts.

    Shapes: draws `[K, *R, *B, d]`, log w and w̄ `[K, *R, *B]`: one bound for each row, or of all rows if z is shared.

    Reference: tucker2019

    The value of the loss is the bound's; implementations that weigh log w itself report Σ_k w̄_k log w_k, which is more.
    """

    target = MINUS_IMPORTANCE_WEIGHTED_BOUND
    requires = WEIGHTED_PATH
    evaluations = Evaluations(forward=1, backward=1)
    properties = (
        "zero_at_the_posterior",
        "order_changes_nothing",
        "one_draw_is_sticking_the_landing",
        "draws_are_distinct",
    )

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        row = ELBO().of(problem).latent_weight
        z = problem.distribution(params).rsample((num_samples,))
        log_w = -cost_at(problem, params, z) / row
        normalized = log_w.detach().softmax(0).unsqueeze(-1)
        z.register_hook(lambda gradient: normalized * gradient)  # the bound gives each path one w̄; here is the other
        return row * (math.log(num_samples) - log_w.logsumexp(0)), state
