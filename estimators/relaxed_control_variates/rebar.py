"""REBAR: the score function, corrected by the cost at a relaxed draw."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Params, Problem
from gradmark.estimators.couplings import Relaxation
from gradmark.estimators.relaxed_control_variates.base import Cost, RelaxedControlVariate, relaxed_cost, start


@dataclass(frozen=True)
class REBAR(RelaxedControlVariate):
    """The score function with the cost at a relaxed draw as control variate, whose mean is reparameterized.

    With z_k = log p + noise (for a bit, its logit + noise), the state b_k = hard(z_k), z̃_k ~ p(z | b_k), and
    c(z) = η cost(σ(z/τ)), where σ is the softmax (for a bit, the sigmoid) and the cost's parameters are held constant:

        g = 1/K Σ_k { [cost(b_k) − c(z̃_k)] ∇ log q(b_k) + ∇c(z_k) − ∇c(z̃_k) + ∂cost(b_k)/∂params }

    Unbiased for every η and τ of earlier estimates, as z and z̃ have the same distribution; z̃ depends on the parameters
    through p(z | b), too, and without that path the gradient is biased. η and log τ descend |g|² with Adam's step. The
    cost must be defined, and differentiable, between the states.

    Shapes: draws `[K, *R, *B, *event]`, cost `[K, *R, *B]`; state `eta` and `log_temperature` `[*R]`, and Adam's.

    Reference: tucker2017

    The paper learns one η for each layer, here there is one in all; it starts at 1. The model's parameters see the hard
    draws alone.
    """

    keeps = ("coefficients.eta", "coefficients.log_temperature", "mean", "square", "count")
    properties = ("exact_variance_halves",)

    def coefficients(self, problem: Problem, params: Params) -> Params:
        log_temperature = start(problem, params, math.log(self.temperature))
        return {"eta": start(problem, params, 1.0), "log_temperature": log_temperature}

    def control(self, cost: Cost, relaxed: Relaxation, z: Tensor, coefficients: Params) -> Tensor:
        return relaxed_cost(cost, relaxed, z, coefficients)
