"""DisARM: ARM with its uniforms integrated out, given the pair of bit vectors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.couplings import antithetic_bits
from gradmark.estimators.draws import cost_at
from gradmark.estimators.requirements import Bits, EvenSamples


@dataclass(frozen=True)
class DisARM(SurrogateEstimator):
    """ARM's conditional expectation given its antithetic pair of bit vectors; also known as U2G.

    With logits φ, p = σ(φ), u_k ~ U(0, 1)^d, and from the same u_k the bits b_k = 1[u_k > 1 − p], b̃_k = 1[u_k < p]:

        g = 1/K Σ_{k ≤ K/2} [ (cost(b_k) − cost(b̃_k)) (b_k − b̃_k) σ(|φ|) ∂φ/∂params
                              + ∂(cost(b_k) + cost(b̃_k))/∂params ]

    Unbiased, as ARM is: E[u − ½ | b, b̃] = ½ (b − b̃) σ(|φ|). Conditioning takes noise away, so that it is nowhere
    noisier than ARM; for one bit at p = ½ it has none. A constant in the cost has no effect.

    Shapes: `num_samples` counts evaluations, two for each pair: uniforms `[K/2, *R, *B, d]`, cost `[K, *R, *B]`.

    Reference: dong2020

    Model parameters take their gradient from the same evaluations; the paper's code draws a third time for them.
    """

    requires = (Bits(), EvenSamples())
    evaluations = Evaluations(forward=1, backward=0)
    properties = ("exact_variance_halves",)

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        logits = Bits().of(problem.distribution(params))
        _, b, paired = antithetic_bits(logits, num_samples // 2)
        cost = cost_at(problem, params, torch.cat([b, paired]))
        of_b, of_paired = cost.detach().chunk(2)
        differences = ((of_b - of_paired).unsqueeze(-1) * (b - paired)).mean(0)
        slope = differences * logits.detach().abs().sigmoid() / 2
        return (slope * logits).sum(-1) + cost.mean(0), state
