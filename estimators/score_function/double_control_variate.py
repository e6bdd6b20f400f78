"""Double control variates: leave-one-out with a first-order model of the cost, in the baseline and of the draw."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators.coefficients import check_decay, moved, over, ratio
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
from gradmark.estimators.draws import cost_at
from gradmark.estimators.requirements import DifferentiableCost, KnownMean, MinSamples
from gradmark.estimators.score_function.base import of_others


@dataclass(frozen=True)
class DoubleControlVariate(Estimator):
    """Leave-one-out with two first-order control variates: one in the baseline, and one of the draw itself.

    With z_1 … z_K ~ q, K ≥ 2, μ = E[z], the score s(z) = ∇ log q(z), the estimate g′ of `LeaveOneOut`, and α of the
    estimates before this one:

        c_k = 1/(K−1) Σ_{j≠k} cost′(z_j),    b_k = 1/(K−1) Σ_{j≠k} cost′(z_j) · (z_j − μ)
        h = 1/K Σ_k [ (c_k · (z_k − μ) − b_k) s(z_k) − c_k · ∂μ/∂params ]
        g = g′ − α h,    α = average of g′ · h / average of |h|²

    Unbiased: given the other draws b_k meets a score of mean zero, and E[c_k · (z_k − μ) s(z_k)] is c_k · ∂μ/∂params,
    so that h has mean zero. α is one number for each replicate, from moving averages over earlier estimates: at their
    ratio the total variance of g is lowest. Until the averages hold half of their final weight, α is zero and the
    method is leave-one-out. Where the cost curves between states the best α is below 1: for five bits of p = .3 with
    the cost Σ (b − .9)² it is near ¼, and α = 1 has four times the variance of leave-one-out (K = 2). A constant in the
    cost has no effect.

    Shapes: draws `[K, *R, *B, *event]`, cost `[K, *R, *B]`; state `product`, `square` and `weight`, all `[*R]`.

    Reference: titsias2022

    The paper has discrete z, and learns α by gradient steps on the variance, whose minimum the ratio is; the formula
    holds for every q whose mean is known. The cost must be differentiable in z, but is evaluated at draws only.
    """

    requires = (
        DifferentiableCost(),
        KnownMean(),
        MinSamples(2, "the baseline and the slope are those of the other draws"),
    )
    evaluations = Evaluations(forward=1, backward=1)
    keeps = ("product", "square", "weight")
    properties = ("exact_variance_halves", "draws_are_distinct")

    decay: float = 0.98

    def validate(self) -> None:
        check_decay("DoubleControlVariate", self.decay)

    def init(self, problem: Problem, params: Params) -> State:
        none = next(iter(params.values())).new_zeros(replicate_axes(problem, params))
        return {"product": none, "square": none.clone(), "weight": none.clone()}

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        with torch.enable_grad():
            q = problem.distribution(leaves)
            mean, z = KnownMean().of(q), q.sample((num_samples,)).requires_grad_()
            cost, event = cost_at(problem, leaves, z), tuple(range(-len(q.event_shape), 0))
            slope = gradient_of_sum(cost, {"z": z}, retain_graph=True)["z"]
            f, log_q, away, others = cost.detach(), q.log_prob(z.detach()), z.detach() - mean.detach(), of_others(slope)
            control = (others * away).sum(event) - of_others((slope * away).sum(event))
            plain = gradient_of_sum(((f - of_others(f)) * log_q + cost).mean(0), leaves, retain_graph=True)
            control = (control * log_q).mean(0) - (others.mean(0) * mean).sum(event)
            noise = gradient_of_sum(control, leaves)
        latest = {"product": dot(plain, noise, state), "square": dot(noise, noise, state), "weight": 1.0}
        averages = {name: moved(state[name], value, self.decay) for name, value in latest.items()}
        alpha = ratio(state["product"], state["square"], state["weight"])
        return Estimate({name: value - over(alpha, value) * noise[name] for name, value in plain.items()}, averages)


def dot(one: Params, other: Params, state: State) -> Tensor:
    """The inner product of two gradients, over all parameters: one number for each replicate, `[*R]`."""
    replicates = state["weight"].shape
    return torch.stack([(one[name] * other[name]).reshape((*replicates, -1)).sum(-1) for name in one]).sum(0)
