"""Antithetic reparameterization: every draw with its mirror image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.requirements import DifferentiableCost, EvenSamples, GaussianFactors, Reparameterizable


@dataclass(frozen=True)
class Antithetic(SurrogateEstimator):
    """Reparameterize pairs of draws that mirror each other in the mean of a Gaussian q.

    With z_k = μ + σ ε_k, ε_k ~ N(0, I), and its mirror image z̃_k = 2μ − z_k = μ − σ ε_k:

        g = 1/K Σ_{k ≤ K/2} d [cost(params, z_k, q) + cost(params, z̃_k, q)] / d params        (the total derivative)

    Unbiased, since ε and −ε have the same distribution. What is odd in ε cancels: where the cost is quadratic, the
    gradient of μ has no noise. What is even is the same in both draws. For σ the pair is then worth one draw, and two
    independent draws have less variance where (μ − k)² < 2σ² for (z − k)²: half of it at k = μ. The two draws of a
    pair depend on each other, so a standard error is that of pairs.

    Shapes: `num_samples` counts evaluations, two for each pair: draws and costs `[K, *R, *B, d]`, `[K, *R, *B]`.

    Reference: hammersley1956

    It was used on the reparameterized ELBO by [wu2019], where the moments of the pairs are matched as well.
    """

    requires = (
        DifferentiableCost(),
        Reparameterizable(),
        GaussianFactors("its mirror image has another density"),
        EvenSamples(),
    )
    evaluations = Evaluations(forward=1, backward=1)
    properties = ("exact_variance_halves", "draws_are_distinct")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.rsample((num_samples // 2,))
        return problem.cost(params, torch.cat([z, 2 * q.mean - z]), q).mean(0), state
