"""Gapped straight-through: forward the hard draw, backward through logits that are moved to agree with it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.draws import cost_at
from gradmark.estimators.requirements import BitsOrCategories, DifferentiableCost


@dataclass(frozen=True)
class GappedStraightThrough(SurrogateEstimator):
    """Straight-through Gumbel-softmax without its noise: logits moved until the drawn state is the largest by a gap.

    With b_k ~ q, ℓ the log probabilities of a site and h = max ℓ, the moves being constants:

        ℓ_k = b_k h + (1 − b_k) min(ℓ, h − gap)      (for a bit of logit φ, s = 2b_k − 1: ℓ_k = s max(s φ, gap))
        z_k = softmax(ℓ_k/temperature)      (for a bit, σ(ℓ_k/temperature))
        g = 1/K Σ_k [ ∂cost/∂z (b_k) · dz_k/d params + ∂cost(b_k)/∂params ],      dℓ_k = dℓ

    Biased: the derivative at a state stands for the difference between states, and the slope of z_k is not that of the
    mean of b. Given b_k there is no noise, while `StraightThroughGumbelSoftmax` has that of its Gumbel noise. The
    model's own parameters, which see hard draws alone, have no bias.

    Shapes: draws `[K, *R, *B, *event]`, cost `[K, *R, *B]`, gradient as the parameters.

    Reference: fan2022

    The gap is fixed here, as in the paper's GST-1.0.
    """

    unbiased = False
    requires = (BitsOrCategories(), DifferentiableCost())
    evaluations = Evaluations(forward=1, backward=1)
    properties = ("exact_variance_halves", "unbiased_for_the_model")
    temperature: float = 0.5
    gap: float = 1.0

    def validate(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"GappedStraightThrough(temperature={self.temperature}): it must be positive; try 0.5")
        if self.gap < 0:
            raise ValueError(f"GappedStraightThrough(gap={self.gap}): it must be 0 or more; try 1.0")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        relaxed, b = BitsOrCategories().of(q), q.sample((num_samples,))
        soft = relaxed.soft(relaxed.gapped(b, self.gap), self.temperature)
        z = b + (soft - soft.detach())
        return cost_at(problem, params, z).mean(0), state
