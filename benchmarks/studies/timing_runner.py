"""Rounds of timing into the store: the first with the table or figure, the others each in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch

from gradmark.benchmarks.cells import Cell, Training
from gradmark.benchmarks.execution.limits import Limits
from gradmark.benchmarks.execution.work import Failed, Measurer
from gradmark.benchmarks.execution.worker_client import Worker
from gradmark.benchmarks.measurement.timing_rounds import in_rounds
from gradmark.benchmarks.store.records import Curve, Record
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies.progress import Progress

PROCESSES = 3  # that time all tables again, beside the one that measured them


def first_round(cells: Sequence[tuple[Cell, bytes]], store: Store, measurer: Measurer) -> None:
    """Evaluations, peak memory and the first round of seconds of cells of one table; one that fails is failed alone."""
    costs: dict[str, dict[str, Any]] = {}
    for cell, archive in cells:
        cost = measurer.costs(cell, archive)
        if isinstance(cost, Failed):
            store.finish(cell, "failed", cost.reason)
        else:
            costs[cell.key] = cost
    timed = [each for each in cells if each[0].key in costs]
    if not timed:
        return
    timings = measurer.time(timed)
    for (cell, _), seconds in zip(timed, timings.seconds, strict=True):
        if isinstance(seconds, Failed):
            store.finish(cell, "failed", seconds.reason)
        else:
            rounds = {"seconds": [seconds], "busy": [timings.busy], "threads": torch.get_num_threads()}
            store.time(cell, costs[cell.key] | rounds)


def further_rounds(
    cells: Sequence[Cell],
    trainings: Sequence[Training],
    store: Store,
    progress: Progress,
    limits: Limits,
    processes: int,
) -> None:
    """One more round of every table and figure in each of so many new processes, those that the store has left out."""
    for number in range(1, processes + 1):
        tables = [table for table in _tables(cells, store) if _fewest(table) <= number]
        figures = [figure for figure in _figures(trainings, store) if _fewest(figure) <= number]
        if not (tables or figures):
            continue
        with Worker(limits, fresh=True) as worker:
            for table in tables:
                progress.start(f"timing, process {number + 1} of {processes + 1}: {table[0].cell.problem}")
                _again(table, store, worker)
            for figure in figures:
                progress.start(f"timing, process {number + 1} of {processes + 1}: {figure[0].training.problem}")
                _step_again(figure, store, worker)


def _tables(cells: Sequence[Cell], store: Store) -> Iterator[list[Record]]:
    """The cells of each table that were measured and timed."""
    for _, table in groupby(cells, key=lambda cell: cell.table):
        records = [store.record(cell) for cell in table]
        timed = [record for record in records if record.status == "measured" and record.timing is not None]
        if timed:
            yield timed


def _figures(trainings: Sequence[Training], store: Store) -> Iterator[list[Curve]]:
    """The training runs of each figure that were measured and timed."""
    kept = {curve.training.key: curve for curve in store.curves()}
    for _, figure in groupby(trainings, key=lambda training: training.table):
        curves = [kept[training.key] for training in figure]
        timed = [curve for curve in curves if curve.status == "measured" and (curve.data or {}).get("seconds")]
        if timed:
            yield timed


def _timing(subject: Record | Curve) -> dict[str, Any]:
    timing = subject.timing if isinstance(subject, Record) else subject.data
    assert timing is not None, "only what was timed is timed again"
    return timing


def _fewest(subjects: Sequence[Record | Curve]) -> int:
    """How many rounds all of them have."""
    return min(len(in_rounds(_timing(subject)["seconds"])) for subject in subjects)


def _again(table: list[Record], store: Store, worker: Worker) -> None:
    """One more round of a table; rounds that only some of its cells have are made again."""
    points = [store.point(record.cell.problem, record.cell.at) for record in table]
    subjects = [(record.cell, point[1]) for record, point in zip(table, points, strict=True) if point and point[1]]
    assert len(subjects) == len(table), "a cell that was measured has its parameters in the store"
    timings, kept = worker.time(subjects), _fewest(table)
    for record, seconds in zip(table, timings.seconds, strict=True):
        if isinstance(seconds, Failed):
            store.finish(record.cell, "failed", seconds.reason)
        else:
            store.time(record.cell, _longer(_timing(record), kept, seconds, timings.busy))


def _step_again(figure: list[Curve], store: Store, worker: Worker) -> None:
    """One more round of a figure, as of a table."""
    timings, kept = worker.time_steps([curve.training for curve in figure]), _fewest(figure)
    for curve, seconds in zip(figure, timings.seconds, strict=True):
        if isinstance(seconds, Failed):
            store.finish_training(curve.training, "failed", seconds.reason, curve.data)
        else:
            data = _longer(_timing(curve), kept, seconds, timings.busy)
            store.finish_training(curve.training, "measured", None, data)


def _longer(timing: dict[str, Any], kept: int, seconds: list[float], busy: float | None) -> dict[str, Any]:
    """The timing with its first `kept` rounds and one more; an older one does not know how busy the machine was."""
    rounds, shares = in_rounds(timing["seconds"])[:kept], timing.get("busy", [None])[:kept]
    return {**timing, "seconds": [*rounds, seconds], "busy": [*shares, busy]}
