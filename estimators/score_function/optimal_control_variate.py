"""The optimal control variate: subtract the score, times the coefficient that is best for each parameter."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators.coefficients import check_decay, moved, ratio
from gradmark.estimators.core import (
    Estimate,
    Estimator,
    Evaluations,
    Params,
    Problem,
    State,
    gradient_of_sum,
    replicate_axes,
)
from gradmark.estimators.draws import score_draws


@dataclass(frozen=True)
class OptimalControlVariate(Estimator):
    """The score function, less the score times a coefficient that each parameter has for itself.

    With z_1 … z_K ~ q, the score s = 1/K Σ_k ∇ log q(z_k), the plain estimate h = 1/K Σ_k cost(z_k) ∇ log q(z_k), both
    summed over rows, and for each coordinate i of the parameters a coefficient a_i of the estimates before this one:

        g_i = h_i − a_i s_i + 1/K Σ_k ∂cost(z_k)/∂params_i,    a_i = average of h_i s_i / average of s_i²

    Unbiased, since a depends on earlier draws only, and the score has mean zero. (From the same draws, g would have a
    bias of order 1/K.) The averages are exponential moving averages, and estimate Cov(h_i, s_i) and Var(s_i): a_i then
    is the best coefficient, which takes the part Corr(h_i, s_i)² off the variance of h_i. For one Bernoulli variable
    that is all of it. Until the averages hold half of their final weight, the coefficients are zero, and the method is
    the plain score function: a ratio of a few draws can have an infinite variance. Noise of the coefficients adds to
    that of g, more than a single baseline's does, so that the default `decay` is long.

    Shapes: draws `[K, *R, *B, d]`, cost `[K, *R, *B]`; state `product` and `square` as the parameters, `[*R, …]`, and
    `weight` `[*R]`.

    Reference: ranganath2014

    The paper (section 3.2, after [paisley2012]) takes the coefficient from the same draws, or from a few of them.
    """

    evaluations = Evaluations(forward=1, backward=0)
    keeps = ("product", "square", "weight")
    properties = ("cold_is_score_function", "exact_variance_halves", "draws_are_distinct")

    decay: float = 0.98

    def validate(self) -> None:
        check_decay("OptimalControlVariate", self.decay)

    def init(self, problem: Problem, params: Params) -> State:
        none = {name: torch.zeros_like(value) for name, value in params.items()}
        weight = next(iter(params.values())).new_zeros(replicate_axes(problem, params))
        return {"product": none, "square": {name: value.clone() for name, value in none.items()}, "weight": weight}

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        with torch.enable_grad():
            q, z, cost = score_draws(problem, leaves, num_samples)
            log_q = q.log_prob(z)
            score = gradient_of_sum(log_q.mean(0), leaves, retain_graph=True)
            plain = gradient_of_sum((cost.detach() * log_q).mean(0), leaves, retain_graph=True)
            own = gradient_of_sum(cost.mean(0), leaves)
        gradient = {name: plain[name] - coefficient(state, name) * score[name] + own[name] for name in params}
        latest = {"product": plain, "square": score}
        averages = {
            key: {name: moved(old, latest[key][name] * score[name], self.decay) for name, old in state[key].items()}
            for key in latest
        }
        return Estimate(gradient, {**averages, "weight": moved(state["weight"], 1.0, self.decay)})


def coefficient(state: State, name: str) -> Tensor:
    """a of one parameter, `[*R, …]`: zero where too little has been seen, or where the score has been zero."""
    return ratio(state["product"][name], state["square"][name], state["weight"])
