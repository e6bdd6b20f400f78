"""The Gumbel-softmax estimator: evaluate the cost at a relaxed draw, and differentiate through it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators.core import Evaluations, Params, Problem, State, SurrogateEstimator
from gradmark.estimators.draws import cost_at
from gradmark.estimators.requirements import BitsOrCategories, DifferentiableCost


@dataclass(frozen=True)
class GumbelSoftmax(SurrogateEstimator):
    """Replace the discrete draw by a smooth one, at which the cost is evaluated and differentiated; also Concrete.

    With log probabilities log p (for a bit, its logit φ) and ε_k Gumbel (for a bit, logistic) noise:

        z_k = softmax((log p + ε_k)/temperature)      (for a bit, σ((φ + ε_k)/temperature))
        g = 1/K Σ_k [ ∂cost/∂z (z_k) · dz_k/d params + ∂cost(z_k)/∂params ]

    Biased: it is the gradient of the mean cost between the states, which as the temperature goes to 0 becomes that of
    the states, while the variance grows as 1/temperature. The cost must be defined, and differentiable, between the
    states; an ELBO keeps the discrete log q and log p, extended to them, with the parameters of q held constant.

    Shapes: relaxed draws `[K, *R, *B, *event]`, cost `[K, *R, *B]`, gradient as the parameters.

    Reference: jang2017

    The same relaxation is the Concrete distribution of [maddison2017], who take the relaxed densities instead and
    anneal the temperature; here it is fixed.
    """

    unbiased = False
    requires = (BitsOrCategories(), DifferentiableCost())
    evaluations = Evaluations(forward=1, backward=1)
    properties = ("exact_variance_halves",)
    temperature: float = 0.5

    def validate(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"GumbelSoftmax(temperature={self.temperature}): it is positive; try 0.5")

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        relaxed = BitsOrCategories().of(problem.distribution(params))
        z = relaxed.soft(relaxed.noisy(num_samples), self.temperature)
        return cost_at(problem, params, z).mean(0), state
