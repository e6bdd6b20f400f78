"""Finds the draws of an estimate, and where the replicates are in each of them.

A draw may have samples, replicates and rows flattened into one axis, in this order. Its size does not say how many
samples are before the replicates. So every way is tried, until replicates alone have the gradients that they have among
others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.distributions import Distribution

from gradmark.benchmarks.measurement.block import HOST, Setting, lifted, numbers, seeded
from gradmark.benchmarks.quadrature.grid import Grid, alike, selected
from gradmark.benchmarks.quadrature.rules import Draw, Unreplaceable
from gradmark.benchmarks.quadrature.substitution import PROBE, Probe
from gradmark.estimators.core import Problem

FEWEST_POINTS = 3  # of the coarsest rule
MOST_NUMBERS = 2**25  # over all nodes, in the largest tensor of an estimate
MOST_LAYOUTS = 32  # of all draws together
WATCHED = (0, PROBE // 2, PROBE - 1)  # replicates that are also run alone


def _edges(setting: Setting, problem: Problem) -> Tensor | None:
    """The probabilities of q where z is binary: z is discontinuous in uniform noise there."""
    q: Distribution = problem.template.distribution(setting.params)
    base = getattr(q, "base_dist", q)
    probs = getattr(base, "probs", None)
    return probs if isinstance(probs, Tensor) and type(base).__name__ == "Bernoulli" else None


def probed(setting: Setting, rows: Tensor | None) -> list[Draw]:
    """The draws of one estimate, found by running PROBE replicates."""
    if PROBE * numbers(setting) > MOST_NUMBERS:
        raise Unreplaceable(f"too large: {PROBE} estimates at once need more than {MOST_NUMBERS} numbers")
    params = lifted(setting.params, PROBE)
    problem = selected(setting, rows, PROBE)
    alone = problem if rows is None else selected(setting, rows, 1)
    with seeded(1, HOST):
        state = setting.initial(problem, params)
        with Probe(_edges(setting, alone)) as probe:
            setting.estimator.estimate(problem, params, state, setting.num_samples)
    return _laid_out(Grid(setting, probe.draws, rows, FEWEST_POINTS))


def _laid_out(grid: Grid) -> list[Draw]:
    """The draws, in the first layout in which replicates do not depend on one another; as they are where none is."""
    ways = itertools.islice(_layouts(grid.draws), MOST_LAYOUTS)
    first, *others = [replace(grid, draws=draws) for draws in ways]
    if not others:
        return first.draws
    digits = grid.random_digits(PROBE)
    alone = torch.cat([first.at([each[:, [r]] for each in digits], 1)[0] for r in WATCHED])
    found = (way for way in (first, *others) if alike(way.at(digits, PROBE)[0][list(WATCHED)], alone))
    return next(found, first).draws


def _layouts(draws: list[Draw]) -> Iterator[list[Draw]]:
    """Every way to split what is flattened beside the replicates, first the one with all of it after them."""
    ways = [[n for n in range(1, draw.inner + 1) if draw.inner % n == 0] for draw in draws]
    for outer in itertools.product(*ways):
        yield [replace(d, outer=n, inner=d.inner // n) for d, n in zip(draws, outer, strict=True)]
