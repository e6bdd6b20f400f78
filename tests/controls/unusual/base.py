"""What right but unusual estimators ask of a problem, and how they refuse it."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent

from gradmark.estimators.core import (
    Estimator,
    Params,
    Problem,
    detached,
)
from gradmark.estimators.couplings import GumbelOneHot, relaxation


def others_of(x: Tensor) -> Tensor:
    """The mean over the other draws."""
    return (x.sum(0) - x) / (len(x) - 1)


def distribution_of(problem: Problem) -> Distribution:
    return problem.distribution(problem.init())


def one_category(problem: Problem) -> int | None:
    """C where z is one one-hot vector, event (1, C)."""
    q = distribution_of(problem)
    found = isinstance(relaxation(q), GumbelOneHot) and len(q.event_shape) == 2 and q.event_shape[0] == 1
    return q.event_shape[1] if found else None


def refusal(estimator: Estimator, problem: Problem, reason: str | None) -> str | None:
    return None if reason is None else f"{type(estimator).__name__}.estimate(problem={problem}): {reason}"


def over_axes(value: Tensor, axes: int) -> Tensor:
    """`[*R]` with `axes` axes behind."""
    return value.reshape((*value.shape, *[1] * axes))


def bits(problem: Problem) -> bool:
    q = problem.distribution(problem.init())
    return isinstance(q, Independent) and isinstance(q.base_dist, Bernoulli)


def by_replicate(weight: Tensor, value: Tensor) -> Tensor:
    """One number for each replicate, in as many axes as `value`."""
    return weight.reshape((*weight.shape, *[1] * (value.dim() - weight.dim())))


def scored(problem: Problem, params: Params, z: Tensor, baseline: Tensor | float = 0.0) -> Tensor:
    """The score function's loss for given draws, `[K, *R, *B]`."""
    cost = problem.cost(params, z, problem.distribution(detached(params)))
    return (cost.detach() - baseline) * problem.distribution(params).log_prob(z) + cost
