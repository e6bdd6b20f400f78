"""Wrong straight-through estimators; `InJacobians` is right."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradmark.estimators import ReinMax
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
