"""Checks that replicates and rows do not share draws: the mean stays right, and the standard error is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from gradmark.benchmarks.checks.api import same
from gradmark.benchmarks.checks.cases import HOST, EstimatorCase
from gradmark.benchmarks.checks.independence import named
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.watching import showing
from gradmark.benchmarks.quadrature.replay import Draws, Recorded, Replayed, continuous
from gradmark.estimators.core import LatentVariableModel

REPLICATES = 6  # divides into halves, pairs and threes
MANY = 64  # replicates, so that bits of two rows differ somewhere
NUMBERS = 8  # how many of the numbers drawn are altered, one at a time
SUSPECTED = 128  # how many where all replicates are equal
SHARED_NOISE = "rows_share_their_noise"  # the property that permits rows to share noise
STRIDE = 0.6180339887  # between the altered positions: the length of no axis is a multiple of it


@check
def draws_are_not_shared(case: EstimatorCase) -> CheckResult:
    """With one of all numbers drawn altered and the rest replayed, at most one replicate changes.

    Where replicates share draws, each of them and their mean are right, but fewer of them are independent than are
    counted, and the standard error is too small.
    """
    replicates = case.replicates(REPLICATES)
    if replicates < REPLICATES:
        return skipped("nothing is drawn, or there are too many evaluations")
    params = case.params((replicates,))
    with seeded(1, HOST):
        problem = case.on.problem.draw(replicates)
        state = case.initial(problem, params)
        with Recorded() as recorded:
            before = named(case.estimator.estimate(problem, params, state, case.num_samples))
    draws, alike = None, all(same(value, value[:1].expand_as(value)) for value in before.values())
    for draws in alterations(recorded.draws, SUSPECTED if alike else NUMBERS):
        try:
            with seeded(1, HOST), Replayed(draws):
                after = named(case.estimator.estimate(problem, params, state, case.num_samples))
        except Exception as fault:  # the altered number may be outside of q's support
            return skipped(f"draws cannot be replayed when one of them changes: {fault}")
        changed = {r for name, value in before.items() for r in range(replicates) if not same(value[r], after[name][r])}
        if len(changed) > 1:
            which = ", ".join(map(str, sorted(changed)))
            return failed(f"altering one of the numbers drawn changed replicates {which}: they share their draws")
    return passed(0.0) if draws else skipped("nothing is drawn that could be altered")


@check
def rows_draw_for_themselves(case: EstimatorCase) -> CheckResult:
    """A row that is given twice has other draws the second time.

    Rows that share z are nearly always a shape broadcast by mistake: unbiased, and many times as noisy. An estimator
    that shares noise on purpose declares `rows_share_their_noise`. Skipped where the cost is given no draws.
    """
    problem = case.on.problem.template
    if not isinstance(problem, LatentVariableModel) or not problem.per_row or SHARED_NOISE in case.estimator.properties:
        return skipped("rows have no z of their own, or the estimator declares that they share it")
    replicates, seen = case.replicates(MANY), list[Tensor]()
    params, twice = case.params((replicates,)), showing(problem.select(torch.tensor([0, 0])), seen.append)
    with seeded(1, HOST):
        case.estimator.estimate(twice, params, case.estimator.init(twice, params), case.num_samples)
    row = -1 - len(problem.distribution(case.on.params).event_shape)
    fitting = [
        z for z in seen if _readable(z) and z.dim() > -row and z.shape[row - 1] == replicates and z.shape[row] == 2
    ]
    drawn = [z for z in fitting if not same(z, z.narrow(row - 1, 0, 1).expand_as(z))]  # so neither enumerated nor fixed
    if not drawn:
        return skipped("the cost is given no z that was drawn")
    if all(same(z.select(row, 0), z.select(row, 1)) for z in drawn):
        return failed(
            f"a row that is given twice has the same z: rows share their draws; declare {SHARED_NOISE!r} if intended"
        )
    return passed(0.0)


def _readable(z: Tensor) -> bool:
    """Whether z has values here: a tensor inside `torch.func.vmap` has none."""
    try:
        z.isfinite()
    except RuntimeError:
        return False
    return True


def alterations(draws: Draws, numbers: int = NUMBERS) -> Iterator[Draws]:
    """The draws with one number altered, for `numbers` positions that are spread over all of them.

    The number becomes the one that is furthest from it in the same tensor: a bit flips, a category becomes another
    one, and no draw leaves its support.
    """
    leaves = [(leaf, func) for func, out in draws for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
    total = sum(leaf.numel() for leaf, _ in leaves)
    spread = (int(total * (STRIDE * (i + 1) % 1.0)) for i in range(numbers))
    for position in sorted(set(spread)) if total > numbers else range(total):
        first = 0
        for leaf, func in leaves:
            if first <= position < first + leaf.numel():
                altered = _altered(leaf, position - first, not continuous(func))
                yield [
                    (func, tree_map(lambda each, leaf=leaf, altered=altered: altered if each is leaf else each, out))
                    for func, out in draws
                ]
            first += leaf.numel()


def _altered(leaf: Tensor, position: int, discrete: bool) -> Tensor:
    numbers = leaf.flatten().clone()
    furthest = numbers[(numbers.double() - numbers[position].double()).abs().argmax()].item()
    numbers[position] = furthest if furthest != numbers[position].item() else _another(furthest, discrete)
    return numbers.view(leaf.shape)


def _another(number: float, discrete: bool) -> float:
    """A value for a number that all others are equal to: another one in (0, 1), or of a discrete draw the next one.

    A whole number of a continuous draw stays as it is.
    """
    if discrete:
        return number - 1 if number > 0 else number + 1
    return (number + 0.5) % 1 if number % 1 else number
