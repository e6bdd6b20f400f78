"""Negative controls: estimators that break the contract or say what is not so of themselves, one way each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators.core import Estimate, Params, Problem, State, SurrogateEstimator
from tests.controls.wrong.score_function import Weighted, leave_one_out


class BiasedByName(Weighted):
    """Declared biased, and is not: whoever reads the table leaves it alone for nothing."""

    unbiased = False

    def weight(self, cost: Tensor) -> Tensor:
        return (cost - leave_one_out(cost)).detach()


class NoisyExact(Weighted):
    """Declared to be without noise, and is not."""

    deterministic = True


class ParametersOverwritten(Weighted):
    """Clamps the parameters that it is given: writes to its argument."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        for value in params.values():
            value.detach().clamp_(-0.1, 0.1)
        return super().estimate(problem, params, state, num_samples)


class AlwaysDouble(Weighted):
    """Gives float64 whatever the parameters are."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        gradient, state = super().estimate(problem, params, state, num_samples)
        return Estimate({name: value.double() for name, value in gradient.items()}, state)


class OtherOrder(Weighted):
    """Names the gradients in another order than the parameters: flattened, it is another gradient."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        gradient, state = super().estimate(problem, params, state, num_samples)
        return Estimate(dict(reversed(gradient.items())), state)


class GradModeLeft(Weighted):
    """Switches gradients off and leaves them off, for everybody."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        estimate = super().estimate(problem, params, state, num_samples)
        torch.set_grad_enabled(False)
        return estimate


class Raises(Weighted):
    """Divides by zero."""

    def weight(self, cost: Tensor) -> Tensor:
        return cost / (1 // (cost.dim() * 0))


@dataclass(frozen=True)
class TextLosesField(Weighted):
    """Its text leaves out a field that matters."""

    rate: float = 0.1

    def __str__(self) -> str:
        return f"{type(self).__module__}.{type(self).__qualname__}()"


class NoDataclass(SurrogateEstimator):
    """Not a dataclass: it has no text, and so no name in a table and no key in a store."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        return problem.distribution(params).log_prob(problem.distribution(params).sample((num_samples,))).mean(0), state
