"""A study at the terminal: the store, the provenance, a progress bar."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from benchmarks import provenance, runner, study
from benchmarks.store import Store


def run_study(name: str, path: Path, device: str | None) -> int:
    """Run a study into the store at `path`; the number of cells and training runs that failed."""
    plan = study.load(name)
    cells, trainings = plan.cells(device), plan.trainings(device)
    with Store(path) as store, _bar() as bar:
        store.describe(title=plan.title, description=plan.description, study=name)
        store.add_provenance(provenance.gather())
        task = bar.add_task("", total=len(cells) + len(trainings))
        runner.run(
            cells,
            trainings,
            store,
            runner.Progress(
                start=lambda label: bar.update(task, description=label),
                advance=lambda share: bar.advance(task, share),
            ),
        )
        bar.update(task, description="done")
        found = [*(record.status for record in store.records()), *(curve.status for curve in store.curves())]
    return found.count("failed")


def _bar() -> Bar:
    return Bar(
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
    )
