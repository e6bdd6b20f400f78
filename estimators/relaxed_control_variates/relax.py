"""RELAX: the score function, corrected by the cost at a relaxed draw and a small learned network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators.core import Params, Problem, linear, replicate_axes
from gradmark.estimators.couplings import Relaxation
from gradmark.estimators.relaxed_control_variates.base import Cost, RelaxedControlVariate, relaxed_cost, start


@dataclass(frozen=True)
class RELAX(RelaxedControlVariate):
    """The score function with a free function of a relaxed draw as control variate, trained to lower the variance.

    With z_k = log p + noise (for a bit, its logit + noise), the state b_k = hard(z_k), z̃_k ~ p(z | b_k), and
    c(z) = η cost(σ(z/τ)) + r(z), where r is a network of one layer of `hidden` tanh units:

        g = 1/K Σ_k { [cost(b_k) − c(z̃_k)] ∇ log q(b_k) + ∇c(z_k) − ∇c(z̃_k) + ∂cost(b_k)/∂params }

    Unbiased for every c of earlier estimates, as z and z̃ have the same distribution and independent noise given b; z̃
    depends on the parameters through p(z | b), too. η, log τ and the network descend |g|², the estimate's own square,
    with Adam's step, which takes a derivative of a derivative. The cost must be defined, and differentiable, between
    the states.

    Shapes: draws `[K, *R, *B, *event]`, cost `[K, *R, *B]`; state `eta`, `log_temperature` `[*R]`, the network's
    weights `[*R, outputs, inputs]` and biases `[*R, outputs]`, and Adam's.

    Reference: grathwohl2018

    The paper has η = 1. The network starts at r = 0, where this is REBAR; it sees z, not the data.
    """

    keeps = (
        *("coefficients.eta", "coefficients.log_temperature", "coefficients.hidden_weight", "coefficients.hidden_bias"),
        *("coefficients.output_weight", "coefficients.output_bias", "mean", "square", "count"),
    )
    properties = ("exact_variance_halves",)

    hidden: int = 10

    def validate(self) -> None:
        super().validate()
        if self.hidden < 1:
            raise ValueError(
                f"RELAX(hidden={self.hidden}): a layer has at least one unit; pass 1 or more, or use REBAR()"
            )

    def coefficients(self, problem: Problem, params: Params) -> Params:
        replicates, like = replicate_axes(problem, params), next(iter(params.values()))
        inputs = problem.distribution(params).event_shape.numel()
        noise = torch.Generator().manual_seed(0)  # its own: the draws of estimates do not depend on the method
        weight = torch.randn(self.hidden, inputs, dtype=torch.float64, generator=noise) / math.sqrt(inputs)
        return {
            "eta": start(problem, params, 1.0),
            "log_temperature": start(problem, params, math.log(self.temperature)),
            "hidden_weight": weight.to(like).expand(*replicates, *weight.shape).clone(),
            "hidden_bias": like.new_zeros(*replicates, self.hidden),
            "output_weight": like.new_zeros(*replicates, 1, self.hidden),
            "output_bias": like.new_zeros(*replicates, 1),
        }

    def control(self, cost: Cost, relaxed: Relaxation, z: Tensor, coefficients: Params) -> Tensor:
        found = relaxed_cost(cost, relaxed, z, coefficients)
        replicates = coefficients["eta"].dim()
        weight = coefficients["hidden_weight"]
        x = z.reshape(*z.shape[: 1 + replicates], -1, weight.shape[-1])  # all rows and events in two axes
        units = linear(x, weight, coefficients["hidden_bias"]).tanh()
        return found + linear(units, coefficients["output_weight"], coefficients["output_bias"]).reshape(found.shape)
