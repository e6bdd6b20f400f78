"""What the catalogues look like in a terminal.

Text that is anybody's is printed as `Text`: in a string, rich takes "[/red]" for markup and ":cat:" for a picture.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradmark.benchmarks.cli import catalogue


def rows(kind: str) -> list[dict[str, Any]]:
    """The catalogue of `kind` as plain data: estimators, problems, experiments, studies or data."""
    return {
        "estimators": catalogue.estimators,
        "problems": lambda: catalogue.signed("problem"),
        "experiments": lambda: catalogue.signed("experiment"),
        "studies": _studies,
        "data": _data,
    }[kind]()


def _studies() -> list[dict[str, Any]]:
    from gradmark.benchmarks.cli import study_counts  # pydantic: for this table only

    return study_counts.studies()


def _data() -> list[dict[str, Any]]:
    from gradmark.benchmarks import data  # numpy: for this table only

    return [
        {
            "name": entry.name,
            "rows": entry.rows,
            "columns": entry.columns,
            "available": entry.unavailable or "yes",
            "source": entry.source,
        }
        for entry in data.DATA_SETS.values()
    ]


def show(listed: dict[str, list[dict[str, Any]]]) -> None:
    """Catalogues as tables of two columns: a name, and its description."""
    console = Console()
    for kind, entries in listed.items():
        table = Table(title=kind, title_justify="left", show_edge=False, show_header=False, title_style="bold")
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for entry in entries:
            table.add_row(Text(entry["name"]), Text("\n".join(_said(kind, entry))))
        console.print(table)


def _said(kind: str, entry: dict[str, Any]) -> list[str]:
    """The lines of one entry in a catalogue's table."""
    if kind == "estimators":
        lines = [entry["what"], f"{entry['family']}; {entry['bias']} for the {entry['target']}"]
        if entry["distributions"] is None:
            return [*lines, f"not known: {entry['unknown']}", entry["reference"]]
        fits = f"z: {', '.join(entry['distributions'])}; needs {', '.join(entry['needs'])}; draws: {entry['draws']}"
        state = f"state: {', '.join(entry['state']) or 'none'}"
        return [*lines, fits, f"evaluations: {entry['per_draw']}; {state}", entry["reference"]]
    if kind in ("problems", "experiments"):
        return [entry["signature"], entry["what"]]
    if kind == "studies":
        counts = f"{entry['cells']} cells, {entry['trainings']} training runs, {entry['experiments']} experiments"
        return [entry["title"], counts]
    available = "" if entry["available"] == "yes" else f"; {entry['available']}"
    return [f"{entry['rows']} × {entry['columns']}{available}", entry["source"]]
