"""Exchanges two draws of an estimate: finds the axis of the draws, and replays them in another order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradmark.benchmarks.checks.cases import HOST, EstimatorCase
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.watching import showing
from gradmark.benchmarks.quadrature.replay import Diverged, Draws, Recorded, Replayed
from gradmark.estimators.core import Params

COUNTS = (5, 7, 11, 6, 10, 4, 8, 9, 3, 2)  # num_samples to try, primes first: no other axis is likely to be as long
REPLICATES = 3
SLOWEST, FASTEST = "slowest", "fastest"  # how the draws vary along an axis that is flattened with others
CLOSE = 1e-9  # times 1 + |z|: rounding of a z that is computed at another position


class UnknownAxis(Exception):
    """The axis of the draws cannot be found, and why."""


@dataclass(frozen=True)
class Run:
    """One estimate: the draws, every z at which the cost was evaluated, and the gradient."""

    draws: Draws
    seen: list[Tensor]
    gradient: Params


def in_two_orders(case: EstimatorCase) -> tuple[Params, Params]:
    """The gradients from the same draws in two orders: two draws are exchanged the second time.

    The axis of the draws is the one that grows with num_samples. The z of both runs are compared, to make sure that
    the two draws were exchanged and nothing else changed. Raises UnknownAxis where that fails.
    """
    count, other = _counts(case)
    case = replace(case, num_samples=count, warmed_with=case.warmed_with or case.num_samples)
    once = _run(case)
    axes = _axes(once.draws, count, _run(replace(case, num_samples=other)).draws, other)
    pair = _different(once.seen, count)
    for layout in (SLOWEST, FASTEST):
        exchanged = [
            (operation, drawn if axis is None else _exchanged_draws(drawn, axis, count, pair, layout))
            for (operation, drawn), axis in zip(once.draws, axes, strict=True)
        ]
        try:
            again = _run(case, exchanged)
        except Diverged as fault:
            raise UnknownAxis(f"the draws cannot be replayed in another order: {fault}") from fault
        if all(_exchanged(before, after, count, pair) for before, after in _pairs(once.seen, again.seen)):
            return once.gradient, again.gradient
    raise UnknownAxis("the axis of the draws cannot be found: z did not follow the exchanged draws")


def _counts(case: EstimatorCase) -> tuple[int, int]:
    """Two values of num_samples that the estimator does not refuse."""
    fitting = [count for count in COUNTS if replace(case, num_samples=count).refusal is None]
    if len(fitting) < 2:
        raise UnknownAxis("there are no two values of num_samples to compare")
    return fitting[0], fitting[1]


def _run(case: EstimatorCase, replayed: Draws | None = None) -> Run:
    params, seen = case.params((REPLICATES,)), list[Tensor]()
    with seeded(1, HOST):
        problem = case.on.problem.draw(REPLICATES)
        state = case.initial(problem, params)
        problem = showing(problem, lambda z: seen.append(z.detach().clone()))
        with Recorded() if replayed is None else Replayed(replayed) as mode:
            gradient = case.estimator.estimate(problem, params, state, case.num_samples).gradient
    return Run(mode.draws if isinstance(mode, Recorded) else [], seen, gradient)


def _axes(draws: Draws, count: int, others: Draws, other: int) -> list[int | None]:
    """For each tensor drawn, the axis that grows with num_samples, or None."""
    if len(draws) != len(others):
        raise UnknownAxis("the draws are made one by one")
    axes = [_grown(drawn, count, more, other) for (_, drawn), (_, more) in zip(draws, others, strict=True)]
    if all(axis is None for axis in axes):
        raise UnknownAxis("no tensor drawn has an axis of draws")
    return axes


def _grown(drawn: Tensor, count: int, more: Tensor, other: int) -> int | None:
    if drawn.dim() != more.dim():
        raise UnknownAxis("the tensors drawn have other axes for another num_samples")
    changed = [axis for axis, sizes in enumerate(zip(drawn.shape, more.shape, strict=True)) if sizes[0] != sizes[1]]
    if not changed:
        return None
    axis = changed[0]
    if len(changed) > 1 or drawn.shape[axis] * other != more.shape[axis] * count:
        raise UnknownAxis("the tensors drawn change in more than the number of draws")
    return axis


def _different(seen: list[Tensor], count: int) -> tuple[int, int]:
    """The indices of the first draw and of the next one that differs from it."""
    drawn = [z for z in seen if z.dim() and len(z) == count]
    if not drawn:
        raise UnknownAxis("the cost is never evaluated at several draws at once")
    for other in range(1, count):
        if not all(torch.equal(z[0], z[other]) for z in drawn):
            return 0, other
    raise UnknownAxis("all draws are equal, so their order cannot matter")


def _exchanged_draws(drawn: Tensor, axis: int, count: int, pair: tuple[int, int], layout: str) -> Tensor:
    """The tensor drawn, with two draws exchanged."""
    inner = drawn.shape[axis] // count
    parts = drawn.unflatten(axis, (count, inner) if layout == SLOWEST else (inner, count))
    return _swapped(parts, axis if layout == SLOWEST else axis + 1, pair).flatten(axis, axis + 1)


def _swapped(value: Tensor, axis: int, pair: tuple[int, int]) -> Tensor:
    order = torch.arange(value.shape[axis])
    order[list(pair)] = order[list(reversed(pair))]
    return value.index_select(axis, order)


def _pairs(before: list[Tensor], after: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    if [z.shape for z in before] != [z.shape for z in after]:
        raise UnknownAxis("the cost is evaluated otherwise when the draws have another order")
    return zip(before, after, strict=True)


def _exchanged(before: Tensor, after: Tensor, count: int, pair: tuple[int, int]) -> bool:
    """Whether z is as before, with the two draws exchanged where it has an axis of draws."""
    expected = (_swapped(before, 0, pair) if before.dim() and len(before) == count else before).double()
    return bool(((after.double() - expected).abs() <= CLOSE * (1 + expected.abs())).all())
