"""What wrong estimators of several families use."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Distribution

from gradmark.estimators.core import LatentVariableModel, Params, Problem, State, detached
from gradmark.estimators.requirements import GaussianFactors


def rows_of_their_own(problem: Problem) -> bool:
    return isinstance(problem, LatentVariableModel) and problem.per_row


def drawn(problem: Problem, params: Params, num_samples: int) -> tuple[Distribution, Tensor, Tensor]:
    """q, the draws and their cost, with constant parameters in the cost's q."""
    q = problem.distribution(params)
    z = q.sample((num_samples,))
    return q, z, problem.cost(params, z, problem.distribution(detached(params)))


def normals(problem: Problem, params: Params) -> tuple[Tensor, Tensor]:
    return GaussianFactors().of(problem.distribution(params))


Loss = tuple[Tensor, State]
