"""Two draws in each other's place: which axis of what is drawn is that of the draws, and whether order matters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradmark.benchmarks.checks.cases import HOST, Case
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.cost import watched
from gradmark.benchmarks.quadrature.replay import Diverged, Draws, Recorded, Replayed
from gradmark.estimators.core import Params

COUNTS = (5, 7, 11, 6, 10, 4, 8, 9, 3, 2)  # of draws, to be told apart by their shapes: primes first, then even ones
REPLICATES = 3
SLOWEST, FASTEST = "slowest", "fastest"  # of what is flattened into one axis, the draws
CLOSE = 1e-9  # times one plus the number: what another place in memory may change of a z


class Untold(Exception):
    """The axis of the draws cannot be told, and why."""


@dataclass(frozen=True)
class Run:
    """One estimate: what was drawn, the z whose costs were evaluated, and the gradient."""

    draws: Draws
    seen: list[Tensor]
    gradient: Params


def in_two_orders(case: Case) -> tuple[Params, Params]:
    """The gradients from the same draws, with two of them in each other's place the second time.

    The axis of the draws is the one that grows with their number, in all that is drawn; the two z are compared to see
    that the draws and nothing else have changed places. Raises Untold where that does not succeed.
    """
    count, other = _counts(case)
    case = replace(case, num_samples=count, warmed_with=case.warmed_with or case.num_samples)
    once = _run(case)
    axes = _axes(once.draws, count, _run(replace(case, num_samples=other)).draws, other)
    pair = _different(once.seen, count)
    for layout in (SLOWEST, FASTEST):
        turned = [
            (operation, drawn if axis is None else _turned(drawn, axis, count, pair, layout))
            for (operation, drawn), axis in zip(once.draws, axes, strict=True)
        ]
        try:
            again = _run(case, turned)
        except Diverged as fault:
            raise Untold(f"the draws cannot be replayed in another order: {fault}") from fault
        if all(_exchanged(before, after, count, pair) for before, after in _pairs(once.seen, again.seen)):
            return once.gradient, again.gradient
    raise Untold("the axis of the draws cannot be told: z did not change places with what was drawn")


def _counts(case: Case) -> tuple[int, int]:
    """Two numbers of draws that the estimator does not refuse."""
    fitting = [count for count in COUNTS if replace(case, num_samples=count).refusal is None]
    if len(fitting) < 2:
        raise Untold("there are no two numbers of draws to compare")
    return fitting[0], fitting[1]


def _run(case: Case, replayed: Draws | None = None) -> Run:
    params, seen = case.params((REPLICATES,)), list[Tensor]()
    with seeded(1, HOST):
        problem = case.fixture.problem.draw(REPLICATES)
        state = case.initial(problem, params)
        problem = watched(problem, lambda z: seen.append(z.detach().clone()))
        with Recorded() if replayed is None else Replayed(replayed) as mode:
            gradient = case.estimator.estimate(problem, params, state, case.num_samples).gradient
    return Run(mode.draws if isinstance(mode, Recorded) else [], seen, gradient)


def _axes(draws: Draws, count: int, others: Draws, other: int) -> list[int | None]:
    """Of each thing drawn the axis that grows with the number of draws, or None where none does."""
    if len(draws) != len(others):
        raise Untold("the draws are made one by one")
    axes = [_grown(drawn, count, more, other) for (_, drawn), (_, more) in zip(draws, others, strict=True)]
    if all(axis is None for axis in axes):
        raise Untold("nothing that is drawn has an axis of draws")
    return axes


def _grown(drawn: Tensor, count: int, more: Tensor, other: int) -> int | None:
    if drawn.dim() != more.dim():
        raise Untold("what is drawn has other axes for another number of draws")
    changed = [axis for axis, sizes in enumerate(zip(drawn.shape, more.shape, strict=True)) if sizes[0] != sizes[1]]
    if not changed:
        return None
    axis = changed[0]
    if len(changed) > 1 or drawn.shape[axis] * other != more.shape[axis] * count:
        raise Untold("more than the number of draws changes in what is drawn")
    return axis


def _different(seen: list[Tensor], count: int) -> tuple[int, int]:
    """The first draw, and the next one that is not the same."""
    drawn = [z for z in seen if z.dim() and len(z) == count]
    if not drawn:
        raise Untold("no cost of several draws is evaluated at once")
    for other in range(1, count):
        if not all(torch.equal(z[0], z[other]) for z in drawn):
            return 0, other
    raise Untold("all draws are the same, so that their order cannot matter")


def _turned(drawn: Tensor, axis: int, count: int, pair: tuple[int, int], layout: str) -> Tensor:
    """What was drawn, with the two draws in each other's place."""
    inner = drawn.shape[axis] // count
    parts = drawn.unflatten(axis, (count, inner) if layout == SLOWEST else (inner, count))
    return _swapped(parts, axis if layout == SLOWEST else axis + 1, pair).flatten(axis, axis + 1)


def _swapped(value: Tensor, axis: int, pair: tuple[int, int]) -> Tensor:
    order = torch.arange(value.shape[axis])
    order[list(pair)] = order[list(reversed(pair))]
    return value.index_select(axis, order)


def _pairs(before: list[Tensor], after: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    if [z.shape for z in before] != [z.shape for z in after]:
        raise Untold("another order of the draws makes other evaluations of the cost")
    return zip(before, after, strict=True)


def _exchanged(before: Tensor, after: Tensor, count: int, pair: tuple[int, int]) -> bool:
    """Whether z is what it was, with the two draws in each other's place where it has an axis of them."""
    expected = (_swapped(before, 0, pair) if before.dim() and len(before) == count else before).double()
    return bool(((after.double() - expected).abs() <= CLOSE * (1 + expected.abs())).all())
