"""What a store gives back: records of cells, training runs, experiments and studies; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradmark.benchmarks.cells import BIAS_REPLICATES, Cell, Inquiry, Training
from gradmark.benchmarks.measurement.grouping import blocks_of_a_warm_up
from gradmark.benchmarks.measurement.moments import Array, Moments, merged
from gradmark.benchmarks.store.codes import Code


def together(cell: Cell, blocks: list[Moments]) -> list[Moments]:
    """A cell's blocks, those that share their warm-up merged to one group each."""
    run = blocks_of_a_warm_up(blocks[0].replicates) if blocks and cell.state == "warm" else 1
    return [merged(blocks[i : i + run]).as_one_group() for i in range(0, len(blocks), run)] if run > 1 else blocks


@dataclass(frozen=True)
class Description:
    """What a study says of itself; `text` is its file."""

    name: str
    title: str
    description: str = ""
    text: str = ""


@dataclass(frozen=True)
class Aside:
    """Why and when something was kept aside, and under which number."""

    number: int
    why: str
    date: str


@dataclass(frozen=True)
class Record:
    """What the store has of one cell."""

    cell: Cell
    status: str  # "missing" | "measured" | "refused" | "failed"
    reason: str | None
    facts: dict[str, Any]  # what the runner knew: family, reference, parameter shapes, block size, objective, …
    exact: Array | None  # [P], the exact gradient of the estimator's target
    timing: dict[str, Any] | None  # forward, backward, seconds of each round, peak memory
    blocks: list[Moments]
    code: Code | None = None  # what it was made with; None where that was not recorded
    aside: Aside | None = None  # where it was measured again, with other code, and this one is kept aside

    @property
    def moments(self) -> Moments:
        """All blocks as one; blocks that share their warm-up are one group, as it is warm-ups that differ."""
        return merged(together(self.cell, self.blocks))

    @property
    def early(self) -> Moments:
        """The first BIAS_REPLICATES: a number fixed beforehand, for the test of bias."""
        return merged(self.blocks[: max(-(-BIAS_REPLICATES // self.blocks[0].replicates), 1)])


@dataclass(frozen=True)
class Curve:
    """What the store has of one training run."""

    training: Training
    status: str
    reason: str | None
    data: dict[str, Any] | None  # steps, objective and gap [evaluations][seeds], seconds of a step, …
    code: Code | None = None
    aside: Aside | None = None


@dataclass(frozen=True)
class Outcome:
    """What the store has of one experiment."""

    inquiry: Inquiry
    status: str
    reason: str | None
    seconds: float | None  # that it took
    facts: dict[str, Any]  # title, reference and what it ran on
    tables: dict[str, list[dict[str, Any]]] | None  # named tables of plain rows
    code: Code | None = None
    aside: Aside | None = None
