"""Runs what a study asks for and the store lacks, whole blocks at a time, so that it can stop anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Cell, Inquiry, Training
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.execution.limits import Limits
from gradmark.benchmarks.execution.prepare import Known, PointRefusal
from gradmark.benchmarks.execution.work import Failed, Measurer
from gradmark.benchmarks.store.marks import Marks
from gradmark.benchmarks.store.records import Description
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import digests
from gradmark.benchmarks.studies.experiment_runner import run_inquiries
from gradmark.benchmarks.studies.progress import SILENT, Progress
from gradmark.benchmarks.studies.stopping import narrow, wider_than_asked
from gradmark.benchmarks.studies.timing_runner import first_round, further_rounds
from gradmark.benchmarks.studies.training_runner import run_figure
from gradmark.benchmarks.studies.workplace import Workplace
from gradmark.benchmarks.training import points
from gradmark.benchmarks.training.points import Refusal


def run(
    cells: list[Cell],
    trainings: list[Training],
    store: Store,
    progress: Progress = SILENT,
    inquiries: Sequence[Inquiry] = (),
    study: Description | None = None,
    limits: Limits = Limits(),  # noqa: B008  # frozen
    processes: int = 0,
) -> None:
    """Measure what the store lacks; interrupted anywhere, running again does the rest.

    What is damaged in the store, or was measured with other code, is measured again; `progress` gets a note of it.

    What runs code from outside gradmark runs in another process, within `limits`; a table, a figure and an experiment
    each in one process. What ended this process the last time runs last, and in another process. At the end, all is
    timed again in so many new `processes`, one after another.
    """
    for damage in store.repair():
        progress.note(f"{damage}: {damage.fault}; it is measured again")
    for line in store.plan(cells, trainings, inquiries, digests.of_study(cells, trainings, inquiries), study):
        progress.note(line)
    with Workplace(store, progress, Marks(store), limits) as workplace:
        for late in (False, True):
            workplace.late = late
            for _, table in groupby(cells, key=lambda cell: cell.table):
                _run_table(list(table), workplace)
            for _, figure in groupby(trainings, key=lambda training: training.table):
                run_figure(list(figure), workplace)
            run_inquiries(inquiries, workplace)
    further_rounds(cells, trainings, store, progress, limits, processes)


def _run_table(cells: list[Cell], workplace: Workplace) -> None:
    """The cells of one table: their blocks first, then all that were measured timed in turn."""
    store, progress, measured = workplace.store, workplace.progress, []
    measurer = workplace.measurer(*(text for cell in cells for text in (cell.problem, cell.estimator)))
    due = [cell for cell in cells if workplace.due(cell.key)]
    for cell in cells if due and workplace.late else due:
        if not cell.at.endswith(points.SUFFIXES) and all(store.settled(each) for each in cells):
            progress.advance(1.0)
            continue
        progress.start(f"{cell.estimator} on {cell.problem}")
        with workplace.marks.running(cell.key):
            known = _run_cell(cell, workplace, measurer)
        if known is not None:
            measured.append((cell, known.params))
        workplace.marks.done(cell.key)
        if cell in due:
            progress.advance(1.0)
    if not all(store.settled(cell) for cell, _ in measured):
        with workplace.marks.running(measured[0][0].key):
            first_round(measured, store, measurer)
    measurer.forget()


def _run_cell(cell: Cell, workplace: Workplace, measurer: Measurer) -> Known | None:
    """One cell's blocks, each kept as soon as it is measured; None where it is refused or fails."""
    store = workplace.store
    known = _prepared(cell, store, measurer)
    if known is None:
        return None
    kept = store.numbered_blocks(cell)
    while len(kept) < known.blocks and not narrow(cell, [kept[number] for number in sorted(kept)]):
        index = next(number for number in range(len(kept) + 1) if number not in kept)
        block = measurer.block(cell, index)
        if isinstance(block, Failed):
            store.finish(cell, "failed", block.reason)
            return None
        store.add_block(cell, index, block)
        kept[index] = block
        workplace.progress.advance(0.0)
    store.finish(cell, "measured", wider_than_asked(cell, store.blocks(cell)))
    return known


def _prepared(cell: Cell, store: Store, measurer: Measurer) -> Known | None:
    """What is known of a cell, kept in the store; None where it is refused or fails, which the store then says."""
    code = digests.of_point(specs.problem(cell.problem))
    kept = store.point(cell.problem, cell.at, code)
    from_file = cell.at.endswith(points.SUFFIXES)
    before = None if kept is None or from_file else kept[1] if kept[2] is None else Refusal(kept[2])
    known = measurer.prepare(cell, before)
    if isinstance(known, PointRefusal):
        store.add_point(cell.problem, cell.at, "", None, known.reason, code)
    if isinstance(known, Refusal | Failed):
        store.finish(cell, "failed" if isinstance(known, Failed) else "refused", known.reason)
        return None
    if kept is not None and kept[0] != known.digest:
        raise BadInput(f"--at {cell.at!r}: the file changed since the store was measured with it; use another --store")
    store.add_point(cell.problem, cell.at, known.digest, known.params, None, code)
    store.know(cell, known.facts, known.exact)
    return known
