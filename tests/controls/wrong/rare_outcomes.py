"""Negative controls of rare outcomes: a floor under a probability, which no outcome between .01 and .99 shows.

In each the floor is a field, and what is wrong is right above it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, OneHotCategorical

from gradmark.estimators.core import Params, Problem, State, SurrogateEstimator, detached
from gradmark.estimators.requirements import Bits, BitsOrCategories


def base(q: Distribution) -> Distribution:
    return q.base_dist if isinstance(q, Independent) else q


def probabilities(q: Distribution) -> Tensor:
    """Of the bits or of the categories."""
    logits = Bits().found(q)
    if logits is not None:
        return logits.sigmoid()
    found = base(q)
    assert isinstance(found, OneHotCategorical)
    return found.logits.softmax(-1)


def floored(q: Distribution, floor: float) -> Distribution:
    """The same distribution of probabilities that are cut off at the floor."""
    probs = probabilities(q).clamp(floor, 1 - floor)
    if Bits().found(q) is not None:
        return Independent(Bernoulli(probs=probs, validate_args=False), 1, validate_args=False)
    return Independent(OneHotCategorical(probs=probs, validate_args=False), 1, validate_args=False)


@dataclass(frozen=True)
class Floored(SurrogateEstimator):
    """What the controls share: a floor, and the distributions that they are made for."""

    floor: float = 0.01

    requires = (BitsOrCategories(),)


class ProbabilityClamped(Floored):
    """The score function of a q whose probabilities are clamped: the clamp has no slope beyond the floor."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = floored(problem.distribution(params), self.floor)
        z = q.sample(torch.Size((num_samples,)))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        return (cost.detach() * q.log_prob(z) + cost).mean(0), state


class DrawsClamped(Floored):
    """The draws come from the clamped probabilities, the score from the right ones: below the floor its sign turns."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = floored(q, self.floor).sample(torch.Size((num_samples,)))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        return (cost.detach() * q.log_prob(z) + cost).mean(0), state


class LogClamped(Floored):
    """log q(z) is clamped from below at the logarithm of the floor, against infinities: rare outcomes have no score."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        z = q.sample(torch.Size((num_samples,)))
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        found, floor = q.log_prob(z), torch.tensor(self.floor, dtype=torch.float64).log()
        return (cost.detach() * found.clamp_min(floor.to(found)) + cost).mean(0), state


class WeightClamped(Floored):
    """Draws from even probabilities, weighed by q over theirs, where the weight has a floor."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        even = torch.zeros_like(probabilities(q))
        if Bits().found(q) is not None:
            other: Distribution = Independent(Bernoulli(logits=even, validate_args=False), 1, validate_args=False)
        else:
            other = Independent(OneHotCategorical(logits=even, validate_args=False), 1, validate_args=False)
        z = other.sample(torch.Size((num_samples,)))
        log_q = q.log_prob(z)
        weight = (log_q - other.log_prob(z)).exp().detach().clamp_min(self.floor)
        cost = problem.cost(params, z, problem.distribution(detached(params)))
        return (weight * (cost.detach() * log_q + cost)).mean(0), state


CONTROLS = (ProbabilityClamped, DrawsClamped, LogClamped, WeightClamped)
