"""Which combinations `make test` runs: few of them, in which everything occurs that occurs in all of them.

A test over every combination of estimator, problem, check and state has thousands of cases, and most of them say what
another one has said. `cover` keeps a subset in which every *meeting* of the full product occurs: a meeting is whatever
the caller names, such as one estimator with one check. The other combinations are not made into tests but with
`pytest --full` (`make test-full`, and the gate).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar

import pytest
from torch.distributions import Independent, TransformedDistribution

from gradmark.benchmarks.checks import Case
from gradmark.estimators.core import LatentVariableModel

T = TypeVar("T")


def cover(
    items: Sequence[T], meetings: Callable[[T], Iterable[Hashable]], cost: Callable[[T], float] = lambda item: 1.0
) -> list[T]:
    """A subset of the items, in their order, in which every meeting occurs that occurs in any item.

    Greedy: the item with the most new meetings for its cost comes next, and of equal ones the first. It depends on
    nothing but the arguments, and has at most 1 + log(the most meetings of one item) times the least cost possible.
    """
    of_items = [frozenset(meetings(item)) for item in items]
    costs = [cost(item) for item in items]
    covered: set[Hashable] = set()
    chosen: list[int] = []
    queue = [(-len(found) / costs[index], index) for index, found in enumerate(of_items)]
    heapq.heapify(queue)
    while queue:
        value, index = heapq.heappop(queue)
        now = -len(of_items[index] - covered) / costs[index]
        if now == 0:
            continue
        if now > value:  # others have covered a part of it since: it goes back to where it belongs now
            heapq.heappush(queue, (now, index))
            continue
        chosen.append(index)
        covered |= of_items[index]
    return [items[index] for index in sorted(chosen)]


@dataclass(frozen=True)
class Cover:
    """The items that a test takes as its arguments `names`: those of the cover, or all of them with `--full`."""

    names: Sequence[str]
    items: Sequence[tuple[Any, ...]]
    chosen: Sequence[tuple[Any, ...]]

    def params(self, full: bool) -> list[Any]:
        """The arguments for pytest; an identifier is made of the texts of an item's parts, or of functions' names."""
        items = self.items if full else self.chosen
        parts = {id(part): part for item in items for part in item}  # many items share one: its text is long to make
        texts = {key: getattr(part, "__name__", None) or str(part) for key, part in parts.items()}
        return [pytest.param(*item, id="-".join(texts[id(part)] for part in item)) for item in items]


def parametrize_cover(
    names: Sequence[str],
    items: Sequence[tuple[Any, ...]],
    meetings: Callable[..., Iterable[Hashable]],
    cost: Callable[..., float] = lambda *item: 1.0,
    shares: Callable[..., str] | None = None,
) -> pytest.MarkDecorator:
    """Give a test the items of the cover as its arguments `names`, and with `--full` every item.

    Items for which `shares` is the same run one after another: what one computes and keeps serves the next.
    """
    chosen = cover(items, lambda item: meetings(*item), lambda item: cost(*item))
    if shares is not None:
        items, chosen = (sorted(each, key=partial(_called, shares)) for each in (items, chosen))
    return pytest.mark.cover(Cover(names, items, chosen))


def _called(function: Callable[..., str], item: tuple[Any, ...]) -> str:
    return function(*item)


@cache
def kind_of_z(on: Case) -> tuple[str, bool, bool]:
    """What draws z, whether the cost is a model's, and whether rows of it are drawn."""
    problem = on.problem.template
    q = problem.distribution(on.params)
    while isinstance(q, Independent | TransformedDistribution):
        q = q.base_dist
    return type(q).__name__, isinstance(problem, LatentVariableModel), on.is_source
