"""Straight-through Gumbel-softmax: forward the hard draw, backward through its relaxation."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.draws import cost_at
from gradmark.estimators.requirements import BitsOrCategories, DifferentiableCost


@dataclass(frozen=True)
class StraightThroughGumbelSoftmax(SurrogateEstimator):
    """Evaluate the cost at the hard draw, and differentiate as if it were the relaxed draw that it comes from.

    With log probabilities log p (for a bit, its logit φ) and ε_k Gumbel (for a bit, logistic) noise:

        z_k = softmax((log p + ε_k)/temperature),  b_k = one-hot argmax z_k
        (for a bit, z_k = σ((φ + ε_k)/temperature),  b_k = 1[z_k > ½])
        g = 1/K Σ_k [ ∂cost/∂z (b_k) · dz_k/d params + ∂cost(b_k)/∂params ]

    Biased: the derivative at a state stands for the difference between states, and is paired with the slope of a draw
    that is not at the state. For one bit with p = .3, cost (b − .45)² and temperature .5 the mean is −.0218 where the
    gradient is +.021. The model's own parameters, which see hard draws alone, have no bias.

    Shapes: draws `[K, *R, *B, *event]`, cost `[K, *R, *B]`, gradient as the parameters.

    Reference: jang2017

    The paper's section 2.2; the temperature is fixed here.
    """

    unbiased = False
    requires = (BitsOrCategories(), DifferentiableCost())
    evaluations = Evaluations(forward=1, backward=1)
    properties = ("exact_variance_halves", "unbiased_for_the_model")
    temperature: float = 0.5

    def validate(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"StraightThroughGumbelSoftmax(temperature={self.temperature}): it is positive; try 0.5")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        relaxed = BitsOrCategories().of(problem.distribution(params))
        noisy = relaxed.noisy(num_samples)
        soft = relaxed.soft(noisy, self.temperature)
        z = relaxed.hard(noisy) + (soft - soft.detach())
        return cost_at(problem, params, z).mean(0), state
