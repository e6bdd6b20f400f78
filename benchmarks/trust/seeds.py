"""Counts over seeds, in several processes: groups of seeds are counted one by one, and their counts are added."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Generic, Protocol, Self, TypeVar

import torch

GROUP = 25  # seeds that one process counts at a time


class Addable(Protocol):
    """Counts that can be added."""

    def __add__(self, other: Self, /) -> Self: ...


C = TypeVar("C", bound=Addable)


@dataclass(frozen=True)
class Row(Generic[C]):
    """A row of a table: its first two columns, and what counts a group of seeds."""

    name: str
    size: str
    count: Callable[[range], C]
    seeds: int


def groups(seeds: int) -> list[range]:
    """The seeds below `seeds`, in groups."""
    return [range(start, min(start + GROUP, seeds)) for start in range(0, seeds, GROUP)]


def counted(rows: Sequence[Row[C]], processes: int) -> Iterator[tuple[Row[C], C]]:
    """The counts of each row, in their order. They do not depend on the number of processes."""
    start = partial(torch.set_num_threads, 1)
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=start) as pool:
        futures = [[pool.submit(row.count, group) for group in groups(row.seeds)] for row in rows]
        for row, parts in zip(rows, futures, strict=True):
            total = parts[0].result()
            for part in parts[1:]:
                total = total + part.result()
            yield row, total
