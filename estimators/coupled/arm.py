"""ARM: the difference between an antithetic pair of bit vectors, weighed by their common uniforms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.couplings import antithetic_bits
from gradmark.estimators.draws import cost_at
from gradmark.estimators.requirements import Bits, EvenSamples


@dataclass(frozen=True)
class ARM(SurrogateEstimator):
    """Augment-REINFORCE-merge: the cost's difference over an antithetic pair of bit vectors, times their uniforms.

    With logits φ, p = σ(φ), u_k ~ U(0, 1)^d, and from the same u_k the bits b_k = 1[u_k > 1 − p], b̃_k = 1[u_k < p]:

        g = 2/K Σ_{k ≤ K/2} [ (cost(b_k) − cost(b̃_k)) (u_k − ½) ∂φ/∂params + ½ ∂(cost(b_k) + cost(b̃_k))/∂params ]

    Unbiased: ∫ (2u_i − 1) cost du over the i-th uniform is p_i(1 − p_i) (cost at b_i = 1 − cost at b_i = 0), whose mean
    over the other bits is the gradient. Taking 1 − u for u turns b into b̃ and gives the same with the opposite sign:
    half their difference is g. A constant in the cost has no effect.

    Shapes: `num_samples` counts evaluations, two for each pair: uniforms `[K/2, *R, *B, d]`, cost `[K, *R, *B]`.

    Reference: yin2019

    Model parameters, which the paper leaves to a draw of their own, take their gradient from the same evaluations.
    """

    requires = (Bits(), EvenSamples())
    evaluations = Evaluations(forward=1, backward=0)
    properties = ("exact_variance_halves",)

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        logits = Bits().of(problem.distribution(params))
        u, b, paired = antithetic_bits(logits, num_samples // 2)
        cost = cost_at(problem, params, torch.cat([b, paired]))
        of_b, of_paired = cost.detach().chunk(2)
        slope = ((of_b - of_paired).unsqueeze(-1) * (u - 0.5)).mean(0)
        return (slope * logits).sum(-1) + cost.mean(0), state
