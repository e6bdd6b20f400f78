"""Draws of z and their costs: what the first line of most methods is."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.distributions import Distribution

from gradmark.estimators.core import Params, Problem, detached


class Draws(NamedTuple):
    """q, draws of z `[K, *R, *B, *event]` and their costs `[K, *R, *B]`."""

    q: Distribution
    z: Tensor
    cost: Tensor


def score_draws(problem: Problem, params: Params, num_samples: int) -> Draws:
    """Draws that are constants; the cost does not depend on the parameters through q."""
    q = problem.distribution(params)
    z = q.sample((num_samples,))
    return Draws(q, z, cost_at(problem, params, z))


def path_draws(problem: Problem, params: Params, num_samples: int) -> Draws:
    """Draws that are functions of the parameters, and so are their costs, also through q."""
    q = problem.distribution(params)
    z = q.rsample((num_samples,))
    return Draws(q, z, problem.cost(params, z, q))


def cost_at(problem: Problem, params: Params, z: Tensor) -> Tensor:
    """The cost at z, with the parameters inside of log q held constant: an ELBO's cost then has no score."""
    return problem.cost(params, z, problem.distribution(detached(params)))
