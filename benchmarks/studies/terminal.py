"""A study at the terminal: the store, the provenance, a progress bar."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from gradmark.benchmarks.execution.limits import Limits
from gradmark.benchmarks.plugins.consent import Consent
from gradmark.benchmarks.store.records import Description
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import provenance, runner
from gradmark.benchmarks.studies import study as studies
from gradmark.benchmarks.studies.progress import Progress
from gradmark.benchmarks.studies.study import Study
from gradmark.benchmarks.studies.timing_runner import PROCESSES


def run(
    study: str | Path,
    store: str | Path,
    device: str | None = None,
    consent: Consent | None = None,
    limits: Limits = Limits(),  # noqa: B008  # frozen
    processes: int = PROCESSES,
) -> int:
    """Run a study into a store.

    What the store has already is not measured again, so a run that was interrupted goes on where it stopped.

    Args:
        study: The name of a published study, or a TOML file.
        store: The folder of results; it is made where there is none.
        device: `cpu` or `cuda`; by default what the study says.
        consent: Whether the code that the study brings along may be loaded.
        limits: Of time and memory, for code from outside gradmark.
        processes: How many further processes time each table again.

    Returns:
        How many cells, training runs and experiments of the study failed.

    Raises:
        BadInput: The study or the store cannot be read.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import gradmark
        >>> folder = Path(tempfile.mkdtemp())
        >>> study = '''
        ... title = "One cell"
        ... [[variance]]
        ... problems = ["BernoulliToy()"]
        ... estimators = ["LeaveOneOut()"]
        ... num_samples = [2]
        ... replicates = 1024
        ... '''
        >>> _ = (folder / "mine.toml").write_text(study)
        >>> gradmark.run(folder / "mine.toml", folder / "mine.store", processes=0)
        0
    """
    with studies.opened(str(study), consent) as plan:
        return _run(plan, str(study), Path(store), device, limits, processes)


def _run(plan: Study, name: str, path: Path, device: str | None, limits: Limits, processes: int) -> int:
    cells, trainings, inquiries = plan.cells(device), plan.trainings(device), plan.inquiries()
    described = Description(studies.name_of(name), plan.title, plan.description, studies.text_of(name))
    with Store(path) as store, _bar() as bar:
        store.add_provenance(provenance.gather())
        task = bar.add_task("", total=len(cells) + len(trainings) + len(inquiries))
        runner.run(
            cells,
            trainings,
            store,
            Progress(
                start=lambda label: bar.update(task, description=label),
                advance=lambda share: bar.advance(task, share),
                note=click.echo,
            ),
            inquiries,
            described,
            limits,
            processes,
        )
        bar.update(task, description="done")
        return [how for _, how, *_ in store.endings(described.name)].count("failed")


def _bar() -> Bar:
    return Bar(
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
    )
