"""A store as a report sees it: cells with their summaries, training runs, experiments, and what they ran on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.store.records import Curve, Description, Outcome, Record
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies.summary import summarise
from gradmark.reports.layout.style import label
from gradmark.reports.results import parts


@dataclass(frozen=True)
class Entry:
    """One cell: what the store has, and the quantities made of it."""

    record: Record
    summary: dict[str, Any]

    @property
    def estimator(self) -> str:
        """The estimator's text, which its colour depends on."""
        return self.record.cell.estimator

    @property
    def label(self) -> str:
        """The estimator with its state."""
        return label(self.record.cell.estimator, self.record.cell.state)

    @property
    def measured(self) -> bool:
        """Whether there are quantities."""
        return self.summary["total_variance"] is not None

    @property
    def target(self) -> str:
        """What the estimate is an estimate of."""
        return self.summary["target"] or "expected cost"

    @property
    def where(self) -> tuple[str, ...]:
        """What cells share that may be compared: problem, num_samples, point, device, dtype, seed and target."""
        return (*self.record.cell.table, self.target)

    @cached_property
    def traces(self) -> Array:
        """The total variance of every group of replicates, which ratios are made of."""
        return self.record.moments.traces[:, 0]

    @cached_property
    def unranked(self) -> str | None:
        """Why this method is not ranked, or None."""
        bias, facts = self.summary["bias"], self.summary
        if bias["verdict"] == "biased":
            return "biased, as it declares" if facts["unbiased"] is False else "biased"
        if facts["unbiased"] is False:
            return "declares itself biased"
        if facts["nonfinite"]:
            return "gradients that are not finite"
        if facts["deterministic"]:
            return "exact, a reference"
        total = facts["total_variance"]
        if total["value"] is None:
            return "its variance is not known"
        return total["withheld"] if total["exact"] is None else None


@dataclass(frozen=True)
class Results:
    """All of a store, read once."""

    description: dict[str, str]
    provenance: list[dict[str, Any]]
    entries: list[Entry]
    curves: list[Curve]
    outcomes: list[Outcome] = field(default_factory=list)
    aside: list[Record | Curve | Outcome] = field(default_factory=list)  # what other code measured, where asked for

    @property
    def measured(self) -> list[Entry]:
        """The cells that have quantities."""
        return [entry for entry in self.entries if entry.measured]

    @property
    def trained(self) -> list[Curve]:
        """The training runs that have a curve."""
        return [curve for curve in self.curves if curve.data is not None]

    @property
    def answered(self) -> list[Outcome]:
        """The experiments that have rows."""
        return [outcome for outcome in self.outcomes if outcome.tables is not None]

    @property
    def used(self) -> list[str]:
        """Every estimator that was measured or trained with, in the order of the study."""
        return list(
            dict.fromkeys([*(e.estimator for e in self.measured), *map(parts.estimator_or_solver, self.trained)])
        )

    @property
    def estimators(self) -> list[str]:
        """Every estimator of a cell or a training run, in the order of the study."""
        return list(dict.fromkeys([*(e.estimator for e in self.entries), *map(parts.estimator_or_solver, self.curves)]))

    @property
    def problems(self) -> list[str]:
        """Every problem that has a measured cell, in the order of the study."""
        return list(dict.fromkeys(entry.record.cell.problem for entry in self.measured))

    def of(self, problem: str) -> list[Entry]:
        """The measured cells of one problem."""
        return [entry for entry in self.measured if entry.record.cell.problem == problem]

    @property
    def figures(self) -> list[list[Curve]]:
        """The training runs that have a curve, those of one figure together, on all rows and on minibatches of them."""
        groups: dict[tuple[str, ...], list[Curve]] = {}
        for curve in self.trained:
            groups.setdefault((parts.of_run(curve).problem, *curve.training.table[1:]), []).append(curve)
        return list(groups.values())


def read(path: str | Path, study: str | None = None, *, everything: bool = False, keep_old: bool = False) -> Results:
    """Read what a store has of a study.

    Args:
        path: The folder of results.
        study: The study to read; by default the one run last.
        everything: Read all studies of the store.
        keep_old: Also list what other code measured before.

    Returns:
        The cells, training runs and experiments, measured or not.

    Raises:
        BadInput: There is no store, it is damaged, or nothing was measured.

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
        >>> results = gradmark.load(folder / "mine.store")
        >>> [entry.label for entry in results.measured]
        ['LeaveOneOut()']
    """
    with Store(Path(path), write=False) as store:
        store.demand_whole()
        described = store.study(study)
        keys = store.keys(described.name) if described is not None and not everything else {}
        cells, trainings, experiments = (keys.get(table) for table in ("cells", "trainings", "experiments"))
        results = Results(
            description=_description(store, described, everything),
            provenance=store.provenance(),
            entries=[Entry(record, summarise(record)) for record in store.records(cells)],
            curves=store.curves(trainings),
            outcomes=store.outcomes(experiments),
            aside=_aside(store, keys) if keep_old else [],
        )
    if not (results.measured or results.trained or results.answered):
        raise BadInput(
            f"store {str(path)!r}: nothing is measured in it ({len(results.entries)} cells, {len(results.curves)} "
            f"training runs and {len(results.outcomes)} experiments missing, refused or failed), so there is nothing "
            f"to report; `gradmark status {path}` says why"
        )
    return results


def _description(store: Store, study: Description | None, everything: bool) -> dict[str, str]:
    """Title and description of the study; of a store of several, which of them are reported."""
    if study is None:
        return store.description()
    paragraphs = [study.description] if study.description else []
    names = [stored.name for stored in store.studies()]
    if everything and len(names) > 1:
        paragraphs.append(f"All studies of the store: {', '.join(names)}.")
    return {"title": study.title, "description": "\n\n".join(paragraphs), "study": study.name}


def _aside(store: Store, keys: dict[str, list[str]]) -> list[Record | Curve | Outcome]:
    """What other code measured of these keys, or of all."""
    cells = [old for old in store.old_records() if old.cell.key in keys.get("cells", [old.cell.key])]
    runs = [old for old in store.old_curves() if old.training.key in keys.get("trainings", [old.training.key])]
    inquiries = [old for old in store.old_outcomes() if old.inquiry.key in keys.get("experiments", [old.inquiry.key])]
    return [*cells, *runs, *inquiries]


def tables(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Cells in groups that may be compared, in the order in which each group first appears."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.where, []).append(entry)
    return list(groups.values())
