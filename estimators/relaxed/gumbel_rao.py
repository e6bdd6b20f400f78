"""Gumbel-Rao: straight-through Gumbel-softmax, its noise averaged given the hard draw."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.draws import cost_at
from gradmark.estimators.requirements import BitsOrCategories, DifferentiableCost


@dataclass(frozen=True)
class GumbelRao(SurrogateEstimator):
    """Straight-through Gumbel-softmax whose relaxed draw is a mean over noise drawn again, given the hard draw.

    With b_k ~ q, ℓ the log probabilities (for a bit, its logit), and M = `inner` Gumbel (for a bit, logistic) noises
    ε_km from their distribution given that ℓ + ε_km falls into the state b_k, held constant:

        z_k = 1/M Σ_m softmax((ℓ + ε_km)/temperature)      (for a bit, σ for softmax)
        g = 1/K Σ_k [ ∂cost/∂z (b_k) · dz_k/d params + ∂cost(b_k)/∂params ]

    Biased, by as much as `StraightThroughGumbelSoftmax` is at this temperature, of which it averages M draws given b_k:
    with M = 1 it has the same distribution, and more of them take noise away. The cost is evaluated K times only. The
    model's own parameters, which see hard draws alone, have no bias.

    Shapes: draws `[K, *R, *B, *event]`, noise `[M, K, *R, *B, *event]`, cost `[K, *R, *B]`, gradient as the parameters.

    Reference: paulus2021
    """

    unbiased = False
    requires = (BitsOrCategories(), DifferentiableCost())
    evaluations = Evaluations(forward=1, backward=1)
    properties = ("exact_variance_halves", "unbiased_for_the_model")
    temperature: float = 0.5
    inner: int = 10

    def validate(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"GumbelRao(temperature={self.temperature}): it must be positive; try 0.5")
        if self.inner < 1:
            raise ValueError(f"GumbelRao(inner={self.inner}): it must be at least 1; try 10")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        relaxed, b = BitsOrCategories().of(q), q.sample((num_samples,))
        again = relaxed.given(b.expand(self.inner, *b.shape).flatten(0, 1)).detach()
        # the noise is a constant: a slope of p(z | b) would be one of the chance of b too, and another mean
        noisy = relaxed.logits + (again - relaxed.logits.detach())
        soft = relaxed.soft(noisy, self.temperature).unflatten(0, (self.inner, num_samples)).mean(0)
        z = b + (soft - soft.detach())
        return cost_at(problem, params, z).mean(0), state
