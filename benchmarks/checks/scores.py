"""Scores of the draws, ∇ log q(z): they show which parameters matter only for events that hardly any draw has met."""

from __future__ import annotations

import torch

from gradmark.benchmarks.checks.cases import HOST, Case
from gradmark.benchmarks.checks.two_stage_test import Mask, Sums
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.contributions import fewest_contributions
from gradmark.benchmarks.measurement.moments import Array
from gradmark.estimators.core import gradient_of_sum

MOST_AT_ONCE = 2**22  # numbers in the parameters or the draws at once
MOST = 2**16  # draws
MOST_NUMBERS = 2**24  # in all scores


def scores(case: Case, draws: int, seed: int) -> Array:
    """∇ log q(z) of so many independent draws, summed over rows, `[draws, P]`."""
    params = {name: value.expand(draws, *value.shape).clone().requires_grad_() for name, value in case.params.items()}
    with seeded(seed, HOST):
        problem = case.problem.draw(draws, 1)
        q = problem.distribution(params)
        z = q.sample()
    score = gradient_of_sum(problem.distribution(params).log_prob(z), params)
    return torch.cat([value.reshape(draws, -1) for value in score.values()], 1).double().numpy()


def score_sums(case: Case, draws: int, seed: int) -> Sums:
    """The moments about zero of the scores of at least so many draws; zero is their mean if q is the density."""
    size = sum(value.numel() for value in case.params.values())
    each = max(MOST_AT_ONCE // max(size, case.problem.footprint), 8)
    sums = Sums(torch.zeros(size, dtype=torch.float64).numpy())
    while sums.count + sums.nonfinite < draws:
        sums.add(scores(case, min(each, draws), seed + sums.count + sums.nonfinite))
    return sums


def seen_by(case: Case, draws: int, level: float, seed: int) -> Mask:
    """In which coordinates `[P]` so many draws suffice for a test at the level.

    Where a parameter matters only for a rare event, its score is nearly equal for all draws, and its mean over them is
    not the zero that it is over the distribution. An estimate then lacks a part that its own variance does not show.
    Parameters that q does not depend on are included.
    """
    size = sum(value.numel() for value in case.params.values())
    most = min(MOST, MOST_NUMBERS // max(size, case.problem.footprint))
    sums = score_sums(case, min(draws, most), seed)
    share = max(draws / max(sums.count, 1), 1.0)  # more draws carry the variance in proportion
    enough = sums.contributions * share >= fewest_contributions(level, 2 * len(sums.origin))
    return sums.zero | (enough & sums.varies)
