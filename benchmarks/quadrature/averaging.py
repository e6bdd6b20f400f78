"""Estimates that are means over single samples, or over pairs of them: their variance follows from one sample, or two.

An estimate from S samples that is the mean of the estimates from each sample alone has the variance of one of them
over S. An estimate that is the mean over all pairs (leave-one-out) is a U-statistic, where h is the estimate of a pair:

    Var = [2 (S − 2) Var E[h | z_1] + Var h] / (S choose 2)

Whether it is such a mean is tested at random nodes.

Reference: hoeffding1948
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import torch
from torch import Tensor

from gradmark.benchmarks.quadrature.grid import Grid, alike
from gradmark.benchmarks.quadrature.probing import probed
from gradmark.benchmarks.quadrature.rules import Draw, Unreplaceable

TRIED = 64  # random nodes at which the samples are reordered or separated


def number_of_samples(draws: list[Draw]) -> int:
    """How many samples all draws have; 1 where their numbers differ."""
    counts = {draw.samples for draw in draws}
    return counts.pop() if len(counts) == 1 else 1


def exchangeable(grid: Grid, samples: int) -> bool:
    """Whether the order of the samples makes no difference, tested at random nodes."""
    digits = grid.random_digits(TRIED)
    once, weight = grid.at(digits, TRIED)
    for order in ([1, 0, *range(2, samples)], [*range(1, samples), 0]):  # these two generate every order
        again, same_weight = grid.at(_taken(grid, digits, samples, order), TRIED)
        if not (alike(again, once) and torch.allclose(weight, same_weight, 1e-9, 0.0)):
            return False
    return True


def parts(grid: Grid, samples: int, order: int) -> Grid | None:
    """The grid of `order` samples alone, of which the estimate is the mean; None where it is not."""
    given = grid.setting
    if given.num_samples % samples or order >= samples:
        return None
    few = order * given.num_samples // samples
    if given.estimator.refuses(given.problem.template, few) is not None:
        return None
    part = replace(given, num_samples=few)
    alone = replace(grid, setting=part, draws=probed(part, grid.rows))
    pairs = zip(alone.draws, grid.draws, strict=False)
    same = all(one.kind == all_.kind and one.sites * samples == all_.sites * order for one, all_ in pairs)
    return alone if same and len(alone.draws) == len(grid.draws) and _is_mean(grid, alone, samples, order) else None


def _is_mean(grid: Grid, alone: Grid, samples: int, order: int) -> bool:
    digits = grid.random_digits(TRIED)
    chosen = list(itertools.combinations(range(samples), order))
    mean = sum(alone.at(_taken(grid, digits, samples, list(each)), TRIED)[0] for each in chosen) / len(chosen)
    return isinstance(mean, Tensor) and alike(mean, grid.at(digits, TRIED)[0])


def variance_of_pairs(grid: Grid, samples: int) -> tuple[Tensor, Tensor]:
    """Mean and variance `[P]` of the mean over all pairs of `samples`, from the grid of two of them."""
    pair = replace(grid, samples=2)
    each = torch.arange(pair.outcomes)
    outcomes = torch.cartesian_prod(each, each).T
    gradient, weight = pair.at(pair.nodes_of(outcomes), outcomes.shape[1])
    if not abs(float(weight.sum()) - 1) < 1e-9:
        raise Unreplaceable(
            f"the weights of all pairs must add up to 1, and are off by {abs(float(weight.sum()) - 1):.2g}"
        )
    weight = weight.unflatten(0, (len(each), -1)).unsqueeze(-1)
    gradient = torch.where(weight > 0, gradient.unflatten(0, (len(each), -1)), 0.0)
    mean, of_first = (weight * gradient).sum((0, 1)), weight.sum(1)
    given_first = (weight * gradient).sum(1) / of_first.clamp_min(torch.finfo(weight.dtype).tiny)
    alone = (of_first * (given_first - mean) ** 2).sum(0)
    both = (weight * (gradient - mean) ** 2).sum((0, 1))
    return mean, (2 * (samples - 2) * alone + both) / (samples * (samples - 1) / 2)


def _taken(grid: Grid, digits: list[Tensor], samples: int, chosen: list[int]) -> list[Tensor]:
    """The nodes of these samples alone, in this order."""
    pairs = zip(grid.draws, digits, strict=True)
    return [draw.of_samples(draw.by_sample(each, samples)[chosen]) for draw, each in pairs]
