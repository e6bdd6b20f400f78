"""That no two replicates share a draw, and no two rows: what no mean shows, and every variance is wrong by."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from gradmark.benchmarks.checks.api import same
from gradmark.benchmarks.checks.cases import HOST, Case
from gradmark.benchmarks.checks.independence import named
from gradmark.benchmarks.checks.results import Finding, declined, failed, law, passed
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.cost import watched
from gradmark.benchmarks.quadrature.replay import Draws, Recorded, Replayed, continuous
from gradmark.estimators.core import LatentVariableModel

REPLICATES = 6  # two halves, three pairs, and no two draws of a row alike
MANY = 64  # replicates, among which bits of one row differ from another's
NUMBERS = 8  # that are altered, one at a time, of all that are drawn
SUSPECTED = 128  # of them where all replicates are alike
MEANT = "rows_share_their_noise"  # what an estimator says of itself that means it
STRIDE = 0.6180339887  # of the altered places: no axis is a multiple of it


@law
def draws_are_not_shared(case: Case) -> Finding:
    """With one number altered of all that were drawn, and the rest replayed, no more than one replicate changes.

    Where replicates share their draws, each of them is right, and so is their mean; but there are fewer of them than
    are counted, and the standard error is too small.
    """
    replicates = case.replicates(REPLICATES)
    if replicates < REPLICATES:
        return declined("nothing is drawn, or evaluations are too many")
    params = case.params((replicates,))
    with seeded(1, HOST):
        problem = case.fixture.problem.draw(replicates)
        state = case.initial(problem, params)
        with Recorded() as recorded:
            before = named(case.estimator.estimate(problem, params, state, case.num_samples))
    draws, alike = None, all(same(value, value[:1].expand_as(value)) for value in before.values())
    for draws in alterations(recorded.draws, SUSPECTED if alike else NUMBERS):
        try:
            with seeded(1, HOST), Replayed(draws):
                after = named(case.estimator.estimate(problem, params, state, case.num_samples))
        except Exception as fault:  # what ran before runs no more: that number alone may break what q demands of z
            return declined(f"draws cannot be replayed when one of them changes: {fault}")
        changed = {r for name, value in before.items() for r in range(replicates) if not same(value[r], after[name][r])}
        if len(changed) > 1:
            which = ", ".join(map(str, sorted(changed)))
            return failed(f"one number altered of those drawn changed replicates {which}: they share their draws")
    return passed(0.0) if draws else declined("nothing is drawn that could be altered")


@law
def rows_draw_for_themselves(case: Case) -> Finding:
    """A row that is seen twice has other draws the second time.

    A z that rows share is nearly always a shape that was broadcast by mistake: unbiased, and many times as noisy. Who
    means it says so, with the claim `rows_share_their_noise`. Declines where nothing is drawn that the cost sees.
    """
    problem = case.fixture.problem.template
    if not isinstance(problem, LatentVariableModel) or not problem.per_row or MEANT in case.estimator.claims:
        return declined("no row has a z of its own, or the estimator says that rows share it")
    replicates, seen = case.replicates(MANY), list[Tensor]()
    params, twice = case.params((replicates,)), watched(problem.select(torch.tensor([0, 0])), seen.append)
    with seeded(1, HOST):
        case.estimator.estimate(twice, params, case.estimator.init(twice, params), case.num_samples)
    row = -1 - len(problem.distribution(case.fixture.params).event_shape)
    fitting = [
        z for z in seen if _readable(z) and z.dim() > -row and z.shape[row - 1] == replicates and z.shape[row] == 2
    ]
    drawn = [z for z in fitting if not same(z, z.narrow(row - 1, 0, 1).expand_as(z))]  # and not enumerated, for one
    if not drawn:
        return declined("no z is drawn that the cost sees")
    if all(same(z.select(row, 0), z.select(row, 1)) for z in drawn):
        return failed(f"a row that is seen twice has the same z: rows share their draws, or claim {MEANT!r} if meant")
    return passed(0.0)


def _readable(z: Tensor) -> bool:
    """Whether z can be looked at here: what a function under `torch.func.vmap` was given cannot."""
    try:
        z.isfinite()
    except RuntimeError:
        return False
    return True


def alterations(draws: Draws, numbers: int = NUMBERS) -> Iterator[Draws]:
    """The draws with one number altered, at so many places that are spread over all of them.

    It becomes the number that is furthest from it in the same draw: a bit flips, a category becomes another one, and
    no draw leaves its support.
    """
    leaves = [(leaf, func) for func, out in draws for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
    total = sum(leaf.numel() for leaf, _ in leaves)
    spread = (int(total * (STRIDE * (i + 1) % 1.0)) for i in range(numbers))
    for place in sorted(set(spread)) if total > numbers else range(total):
        first = 0
        for leaf, func in leaves:
            if first <= place < first + leaf.numel():
                altered = _altered(leaf, place - first, not continuous(func))
                yield [
                    (func, tree_map(lambda each, leaf=leaf, altered=altered: altered if each is leaf else each, out))
                    for func, out in draws
                ]
            first += leaf.numel()


def _altered(leaf: Tensor, place: int, discrete: bool) -> Tensor:
    numbers = leaf.flatten().clone()
    furthest = numbers[(numbers.double() - numbers[place].double()).abs().argmax()].item()
    numbers[place] = furthest if furthest != numbers[place].item() else _another(furthest, discrete)
    return numbers.view(leaf.shape)


def _another(number: float, discrete: bool) -> float:
    """Instead of a number that all others equal: one in (0, 1), which any density allows; of a discrete draw the next.

    A whole number of a continuous draw stays.
    """
    if discrete:
        return number - 1 if number > 0 else number + 1
    return (number + 0.5) % 1 if number % 1 else number
