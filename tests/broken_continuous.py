"""Negative controls: wrong estimators for costs with steps and for Gammas, one bug each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Gamma

from gradmark.benchmarks.problems import GammaPosterior
from gradmark.estimators.core import Estimate, Params, Problem, State, SurrogateEstimator


@dataclass(frozen=True)
class PathThroughSteps(SurrogateEstimator):
    """Reparameterizes whatever the cost is: through steps the gradient is zero, and nothing says so."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        return problem.cost(params, q.rsample((num_samples,)), q).mean(0), state


@dataclass(frozen=True)
class Implicit(SurrogateEstimator):
    """Right implicit reparameterization of a Gamma, with hooks for what may go wrong."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return None if isinstance(problem, GammaPosterior) else "made for GammaPosterior"

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        z = self.draw(params["log_concentration"].exp(), params["log_rate"].exp(), num_samples)
        return problem.cost(params, z, problem.distribution(params)).mean(0), state

    def draw(self, concentration: Tensor, rate: Tensor, num_samples: int) -> Tensor:
        """z."""
        return Gamma(concentration, rate).rsample((num_samples,))


class SampledInsteadOfDifferentiated(Implicit):
    """sample where rsample is meant: the path is lost, and of the ELBO's gradient only zero-mean noise is left."""

    def draw(self, concentration: Tensor, rate: Tensor, num_samples: int) -> Tensor:
        return Gamma(concentration, rate).sample((num_samples,))


class ShapeOfTheGammaHeld(Implicit):
    """The standard Gamma is taken for parameter-free noise: the rate has its path, the concentration has none."""

    def draw(self, concentration: Tensor, rate: Tensor, num_samples: int) -> Tensor:
        return Gamma(concentration, torch.ones_like(rate)).sample((num_samples,)) / rate


class RateForScale(Implicit):
    """Multiplies by the rate instead of dividing: draws of another q."""

    def draw(self, concentration: Tensor, rate: Tensor, num_samples: int) -> Tensor:
        return Gamma(concentration, torch.ones_like(rate)).rsample((num_samples,)) * rate


class ConcentrationChainForgotten(Implicit):
    """The gradient in the concentration is given for that in its logarithm: the chain factor is missing."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        gradient, state = super().estimate(problem, params, state, num_samples)
        name = "log_concentration"
        return Estimate(gradient | {name: gradient[name] / params[name].detach().exp()}, state)
