"""Study minus store = work: cells to blocks to the store, whole blocks at a time, so that it can stop anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch

from benchmarks import digests, places, timing
from benchmarks.block import measure_block
from benchmarks.cells import MAX_BLOCKS, Cell, Inquiry, Training
from benchmarks.errors import BadInput, one_line
from benchmarks.inquiring import inquire
from benchmarks.moments import Moments
from benchmarks.places import Refusal
from benchmarks.prepare import Ready, prepare
from benchmarks.progress import SILENT, Progress
from benchmarks.readings import positive
from benchmarks.records import Description, together
from benchmarks.store import Store
from benchmarks.training_runner import run_figure

FEWEST_BLOCKS = 4  # before an interval is looked at, where a cell runs until it is narrow enough


def run(
    cells: list[Cell],
    trainings: list[Training],
    store: Store,
    progress: Progress = SILENT,
    inquiries: Sequence[Inquiry] = (),
    study: Description | None = None,
) -> None:
    """Measure what the store lacks; interrupted anywhere, running again does the rest.

    What is damaged in the store, or was measured with other code, is measured again; `progress` is told of it.
    """
    for damage in store.repair():
        progress.note(f"{damage}: {damage.fault}; it is measured again")
    for line in store.plan(cells, trainings, inquiries, digests.of_study(cells, trainings, inquiries), study):
        progress.note(line)
    for _, table in groupby(cells, key=lambda cell: cell.table):
        _run_table(list(table), store, progress)
    for _, figure in groupby(trainings, key=lambda training: training.table):
        run_figure(list(figure), store, progress)
    done = {outcome.inquiry for outcome in store.outcomes() if outcome.status == "measured"}
    for inquiry in inquiries:
        progress.start(inquiry.experiment)
        if inquiry not in done:
            inquire(inquiry, store)
        progress.advance(1.0)


def _run_table(cells: list[Cell], store: Store, progress: Progress) -> None:
    """The cells of one table: their blocks first, then all that were measured timed in turn."""
    measured: list[Ready] = []
    for cell in cells:
        if not cell.at.endswith(places.SUFFIXES) and all(store.settled(each) for each in cells):
            progress.advance(1.0)
            continue
        progress.start(f"{cell.estimator} on {cell.problem}")
        ready = _guarded(store, cell, lambda cell=cell: prepare(cell, store))
        if isinstance(ready, Ready) and _guarded(store, cell, lambda r=ready: _run_blocks(r, store, progress)):
            store.finish(cell, "measured", _wider_than_asked(cell, store.blocks(cell)))
            measured.append(ready)
        elif isinstance(ready, Refusal):
            store.finish(cell, "refused", ready.reason)
        progress.advance(1.0)
    if not all(store.settled(ready.cell) for ready in measured):
        _guarded(store, measured[0].cell, lambda: _time(measured, store))


def _guarded(store: Store, cell: Cell, work: Callable[[], Any]) -> Any:
    """`work`, or None with the cell marked as failed; the study's other cells go on."""
    try:
        return work()
    except (BadInput, KeyboardInterrupt):
        raise
    except Exception as fault:  # an estimator or problem may be anybody's code
        store.finish(cell, "failed", one_line(fault))
        return None


def _run_blocks(ready: Ready, store: Store, progress: Progress) -> bool:
    """The blocks that the store lacks, each kept as soon as it is measured; a damaged one may lack amid others."""
    kept = store.numbered_blocks(ready.cell)
    while len(kept) < ready.blocks and not _narrow(ready.cell, [kept[number] for number in sorted(kept)]):
        index = next(number for number in range(len(kept) + 1) if number not in kept)
        size = 1 if ready.once else ready.size
        kept[index] = measure_block(ready.setting, size, ready.seed(index), ready.warm(index))
        store.add_block(ready.cell, index, kept[index])
        progress.advance(0.0)
    return True


def _narrow(cell: Cell, blocks: list[Moments]) -> bool:
    """Whether the interval of the total variance is as narrow as was asked; never for a fixed number of replicates."""
    return cell.rel_ci is not None and len(blocks) >= FEWEST_BLOCKS and _half_width(cell, blocks) <= cell.rel_ci


def _half_width(cell: Cell, blocks: list[Moments]) -> float:
    """Half the width of the total variance's interval over its value; 0 where there is no variance."""
    reading = positive(np.concatenate([block.traces[:, 0] for block in together(cell, blocks)]))
    if not reading.value or reading.ci is None:
        return 0.0 if reading.value == 0 else math.inf
    return (reading.ci[1] - reading.ci[0]) / 2 / reading.value


def _wider_than_asked(cell: Cell, blocks: list[Moments]) -> str | None:
    """What to say of a cell whose blocks ended before its interval was narrow enough."""
    if cell.rel_ci is None or _narrow(cell, blocks) or len(blocks) < MAX_BLOCKS:
        return None
    width = _half_width(cell, blocks)
    return (
        f"stopped after {MAX_BLOCKS} blocks with the interval at ±{width:.2g} of the value; {cell.rel_ci:g} was asked"
    )


def _time(measured: list[Ready], store: Store) -> None:
    """Seconds in interleaved rounds, evaluations and peak memory of every cell of a table."""
    device = torch.device(measured[0].cell.device)
    rounds = timing.interleaved([timing.one_estimate(ready.setting) for ready in measured], device)
    for ready, seconds in zip(measured, rounds, strict=True):
        counts = timing.count_evaluations(ready.setting)
        memory = timing.peak_memory(ready.setting)
        found = {"forward": counts.forward, "backward": counts.backward, "peak_memory_bytes": memory}
        store.time(ready.cell, {**found, "seconds": seconds, "threads": torch.get_num_threads()})
