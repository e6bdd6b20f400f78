"""With which versions and which code the numbers were made, where they differ; and what other code measured before."""

from __future__ import annotations

from collections import Counter

from gradmark.benchmarks.store.codes import Code
from gradmark.benchmarks.store.records import Curve, Outcome, Record
from gradmark.benchmarks.studies.summary import summarise
from gradmark.reports.layout.elements import Block, Table, Text, heading, paragraph, quantities
from gradmark.reports.layout.numbers import count
from gradmark.reports.layout.style import breakable, label
from gradmark.reports.results.results import Results

UNKNOWN = "code that was not recorded"


def blocks(results: Results) -> list[Block]:
    """A sentence where numbers were made with different versions, or with code that is not known."""
    measured: list[Record | Curve | Outcome] = [entry.record for entry in results.measured]
    used = Counter(_versions(each.code) for each in (*measured, *results.trained, *results.answered))
    if not used or (len(used) == 1 and UNKNOWN not in used):
        return []
    if len(used) == 1:
        return [paragraph(f"All numbers were made with {UNKNOWN}; a run of the study measures them again.")]
    parts = ", ".join(f"{count(number, 'number')} with {versions}" for versions, number in used.most_common())
    text = f"Not all numbers were made with the same versions: {parts}. Blocks of two versions are never merged."
    return [paragraph(text)]


def _versions(code: Code | None) -> str:
    return UNKNOWN if code is None else code.versions


def aside(results: Results) -> list[Block]:
    """What other code measured before: not ranked, and in no figure."""
    if not results.aside:
        return []
    caption: Text = ["Old: measured with other code before it was measured again. None of it is in the tables above."]
    table = Table(caption, "old-numbers")
    table.column("method", width="26%")
    table.column("where", width="22%")
    table.quantity_column("total variance")
    table.column("old because", width="1fr")
    for each in results.aside:
        table.row(*_row(each))
    return [heading(1, "Measured with other code", "old"), table.block()]


def _row(old: Record | Curve | Outcome) -> list[str | Text]:
    why = f"made with {_versions(old.code)}"
    if old.aside is not None:
        why = f"{old.aside.why}; kept aside {old.aside.date[:10]}; {why}"
    total = None
    if isinstance(old, Record):
        name, where = label(old.cell.estimator, old.cell.state), f"{old.cell.problem}, {old.cell.at}"
        total, where = summarise(old)["total_variance"], f"{where}, K = {old.cell.num_samples}"
    elif isinstance(old, Curve):
        name, where = old.training.solver, f"{old.training.problem}, {old.training.steps} steps"
    else:
        name, where = old.inquiry.experiment, f"seed {old.inquiry.seed}"
    return [f"old: {breakable(name)}", breakable(where), *quantities(total), breakable(why)]
