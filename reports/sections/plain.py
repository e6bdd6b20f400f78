"""Tables of an experiment that has no section of its own: its first rows as they are."""

from __future__ import annotations

from typing import Any

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout.elements import Block, Table, Text, quantities
from gradmark.reports.layout.numbers import grouped, tidy
from gradmark.reports.layout.style import breakable

MOST = 40  # rows that are shown


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """A table for each table of each experiment."""
    return [
        _table(outcome, name, rows, f"{key}-{number}-{name}")
        for number, outcome in enumerate(outcomes)
        for name, rows in (outcome.tables or {}).items()
        if rows
    ]


def _table(outcome: Outcome, name: str, rows: list[dict[str, Any]], label: str) -> Block:
    table = Table([f"{breakable(outcome.inquiry.experiment)}: {name}."], label)
    columns = {column: any(_is_quantity(row.get(column)) for row in rows) for row in rows for column in row}
    for column, reads in columns.items():
        table.quantity_column(column) if reads else table.column(column)
    for row in rows[:MOST]:
        table.row(*(cell for column, reads in columns.items() for cell in _cells(row.get(column), reads)))
    if len(rows) > MOST:
        table.note(f"The first {MOST} of {grouped(len(rows))} rows.")
    return table.block()


def _is_quantity(value: Any) -> bool:
    return isinstance(value, dict) and "ci" in value


def _cells(value: Any, reads: bool) -> list[Text]:
    if reads:
        return quantities(value)
    if isinstance(value, float | int) and not isinstance(value, bool):
        return [[tidy(float(value), 5)]]
    return [["–" if value is None else breakable(str(value))]]
