"""The scores of the draws, ∇ log q(z): which parameters have an effect on draws that hardly any replicate has seen."""

from __future__ import annotations

import torch

from gradmark.benchmarks.checks.cases import HOST, Fixture
from gradmark.benchmarks.checks.mean_test import Mask, Sums
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.contributions import fewest_contributions
from gradmark.benchmarks.measurement.moments import Array
from gradmark.estimators.core import gradient_of_sum

MOST_AT_ONCE = 2**22  # numbers in the parameters or the draws of one block
MOST = 2**16  # draws
MOST_NUMBERS = 2**24  # in all scores


def scores(fixture: Fixture, draws: int, seed: int) -> Array:
    """∇ log q(z) of so many independent draws, summed over rows, `[draws, P]`."""
    params = {
        name: value.expand(draws, *value.shape).clone().requires_grad_() for name, value in fixture.params.items()
    }
    with seeded(seed, HOST):
        problem = fixture.problem.draw(draws, 1)
        q = problem.distribution(params)
        z = q.sample()
    score = gradient_of_sum(problem.distribution(params).log_prob(z), params)
    return torch.cat([value.reshape(draws, -1) for value in score.values()], 1).double().numpy()


def score_sums(fixture: Fixture, draws: int, seed: int) -> Sums:
    """The moments of the scores of at least so many draws, about zero, which is their mean where q is its density."""
    size = sum(value.numel() for value in fixture.params.values())
    each = max(MOST_AT_ONCE // max(size, fixture.problem.footprint), 8)
    sums = Sums(torch.zeros(size, dtype=torch.float64).numpy())
    while sums.count + sums.nonfinite < draws:
        sums.add(scores(fixture, min(each, draws), seed + sums.count + sums.nonfinite))
    return sums


def seen_by(fixture: Fixture, draws: int, level: float, seed: int) -> Mask:
    """In which coordinates so many draws tell enough of the parameter for a test at the level `[P]`.

    Where the event that a parameter is about hardly ever occurs, its score is nearly the same for all draws, and its
    mean is not the zero that it has over all draws: what an estimate lacks then is not seen in its own spread. A
    parameter that q does not depend on is counted as seen.
    """
    size = sum(value.numel() for value in fixture.params.values())
    most = min(MOST, MOST_NUMBERS // max(size, fixture.problem.footprint))
    sums = score_sums(fixture, min(draws, most), seed)
    share = max(draws / max(sums.count, 1), 1.0)  # more draws carry the variance in proportion
    enough = sums.contributions * share >= fewest_contributions(level, 2 * len(sums.origin))
    unused = sums.square == 0
    return unused | (enough & sums.varies)
