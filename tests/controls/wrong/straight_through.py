"""Wrong straight-through estimators; `InJacobians` and `Gapped` are right."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.distributions import Bernoulli, OneHotCategorical

from gradmark.estimators import GappedStraightThrough, ReinMax
from gradmark.estimators.core import Params, Problem, State
from gradmark.estimators.couplings import LogisticBits, Relaxation
from gradmark.estimators.draws import cost_at
from gradmark.estimators.requirements import BitsOrCategories


def through(relaxed: Relaxation, x: Tensor) -> Tensor:
    """A function of the logits whose value is x, and whose Jacobian is that of the mean where the mean is x."""
    at = x.logit() if isinstance(relaxed, LogisticBits) else x.log()
    return relaxed.soft(relaxed.logits + (at - relaxed.logits).detach(), 1.0)


@dataclass(frozen=True)
class InJacobians(ReinMax):
    """A right ReinMax as the paper writes it, 2 J((π + D)/2) − ½ J(π), with a hook for what may go wrong."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        relaxed, b = BitsOrCategories().of(q), q.sample((num_samples,))
        path = self.path(relaxed, b)
        return cost_at(problem, params, b + (path - path.detach())).mean(0), state

    def path(self, relaxed: Relaxation, b: Tensor) -> Tensor:
        """A function of the logits whose Jacobian stands for that of the draws."""
        halfway, mean = (b + relaxed.mean) / 2, relaxed.mean
        return 2 * through(relaxed, halfway) - through(relaxed, mean) / 2


class MeanNotTakenOff(InJacobians):
    """The second term is forgotten: half a straight-through is left over."""

    def path(self, relaxed: Relaxation, b: Tensor) -> Tensor:
        return 2 * through(relaxed, (b + relaxed.mean) / 2)


class AlwaysAtTheMean(InJacobians):
    """Both Jacobians are taken at the mean: 1.5 times the straight-through estimator."""

    def path(self, relaxed: Relaxation, b: Tensor) -> Tensor:
        return 1.5 * relaxed.mean


class AtTheDraw(InJacobians):
    """The first Jacobian is taken at the draw, where it is zero, and the second is left at the mean."""

    def path(self, relaxed: Relaxation, b: Tensor) -> Tensor:
        return 2 * b - relaxed.mean / 2


class TwiceTheSlope(InJacobians):
    """The sum is not halved, as if the derivative at one end were the difference."""

    def path(self, relaxed: Relaxation, b: Tensor) -> Tensor:
        return 2 * super().path(relaxed, b)


@dataclass(frozen=True)
class Gapped(GappedStraightThrough):
    """A right gapped straight-through, with hooks for what may go wrong."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        relaxed = BitsOrCategories().of(q)
        b = self.state(relaxed, q.sample((num_samples,)))
        soft = relaxed.soft(relaxed.gapped(b, self.gap), self.temperature)
        return cost_at(problem, params, self.forward(b, soft)).mean(0), state

    def state(self, relaxed: Relaxation, b: Tensor) -> Tensor:
        """The hard draws, made of those of q."""
        return b

    def forward(self, b: Tensor, soft: Tensor) -> Tensor:
        """Where the cost is evaluated, with the slope of `soft`."""
        return b + (soft - soft.detach())


class LikeliestState(Gapped):
    """Takes the likeliest state for a draw."""

    def state(self, relaxed: Relaxation, b: Tensor) -> Tensor:
        return relaxed.hard(relaxed.logits.detach().expand_as(b))


class DrawnAtTheTemperature(Gapped):
    """Divides the logits by the temperature before it draws as well: the draws are not those of q."""

    def state(self, relaxed: Relaxation, b: Tensor) -> Tensor:
        colder = relaxed.soft(relaxed.logits.detach(), self.temperature).expand_as(b)
        if isinstance(relaxed, LogisticBits):
            return Bernoulli(colder, validate_args=False).sample()
        return OneHotCategorical(colder, validate_args=False).sample()


class CostBetweenStates(Gapped):
    """Evaluates the cost at the soft draw."""

    def forward(self, b: Tensor, soft: Tensor) -> Tensor:
        return soft
