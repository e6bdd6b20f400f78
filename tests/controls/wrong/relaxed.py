"""Wrong gradients through relaxed draws."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators import (
    GumbelSoftmax,
    StraightThroughGumbelSoftmax,
)
from gradmark.estimators.core import (
    LatentVariableModel,
    Params,
    Problem,
    State,
    SurrogateEstimator,
    detached,
)
from gradmark.estimators.couplings import relaxation
from gradmark.estimators.requirements import Bits, BitsOrCategories, DifferentiableCost
from tests.controls.wrong.base import Loss, rows_of_their_own


@dataclass(frozen=True)
class GumbelSoftmaxOfOneNoise(GumbelSoftmax):
    """Draws one noise for all rows of data."""

    # rows are independent given the data, and here are not: their covariances add to the variance of the sum
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        relaxed = BitsOrCategories().of(q)
        noise = (relaxed.noisy(num_samples) - relaxed.logits).detach()
        if rows_of_their_own(problem):
            noise = noise.narrow(-1 - len(q.event_shape), 0, 1)
        z = relaxed.soft(relaxed.logits + noise, self.temperature)
        return problem.cost(params, z, problem.distribution(detached(params))).mean(0), state


@dataclass(frozen=True)
class ReinMaxBits(SurrogateEstimator):
    """A second-order straight-through (ReinMax) that is said to be unbiased because it is so on a quadratic."""

    requires = (DifferentiableCost(), Bits())

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        logits = Bits().of(q)
        b, p = q.sample((num_samples,)), logits.detach().sigmoid()
        # The mean is off, costs that are not quadratic in a bit. E over b_i of |b_i − p_i|/2 · f'(b_i) is p(1 − p)
        # (f'(0) + f'(1))/2: the trapezoidal rule for f(1) − f(0), with the error −(1/12) f''' between the states. Both
        # toys are quadratic; a sigmoid decoder is not, the less so the larger its weights. `unbiased` should be False.
        slope = (b * (1 - p) + (1 - b) * p) / 2
        z = b + slope * (logits - logits.detach())
        return problem.cost(params, z, problem.distribution(detached(params))).mean(0), state


@dataclass(frozen=True)
class PriorlessSTGumbel(StraightThroughGumbelSoftmax):
    """On top of its declared bias in q, the prior is evaluated at detached parameters."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        if not isinstance(problem, LatentVariableModel):
            return super().surrogate(problem, params, state, num_samples)
        relaxed, held = relaxation(problem.distribution(params)), detached(params)
        assert relaxed is not None
        noisy = relaxed.noisy(num_samples)
        soft = relaxed.soft(noisy, self.temperature)
        z = relaxed.hard(noisy) + (soft - soft.detach())
        # The mean is off, the prior's parameters only. The declared bias is q's, for the soft slope; the model sees
        # hard draws, and the method says that its gradient has no bias: but −E[∂ log p(z)/∂params] is lost, the prior
        # is never learned.
        fixed = problem.distribution(held).log_prob(z) - problem.prior(held).log_prob(z)
        likelihood = problem.log_likelihood(params, z) * problem.likelihood_weight
        return (fixed * problem.latent_weight - likelihood).mean(0), state


@dataclass(frozen=True)
class ForgetsTheModel(GumbelSoftmax):
    """Holds the model's parameters constant: declared biased in q, it trains no decoder at all."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        relaxed, held = relaxation(problem.distribution(params)), detached(params)
        assert relaxed is not None
        z = relaxed.soft(relaxed.noisy(num_samples), self.temperature)
        return problem.cost(held, z, problem.distribution(held)).mean(0), state
