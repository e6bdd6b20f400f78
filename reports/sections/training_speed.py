"""Time of a step of training, many runs at once and one by one: a table."""

from __future__ import annotations

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.elements import Block, Table, quantities
from gradmark.reports.layout.numbers import count, time_unit
from gradmark.reports.layout.style import breakable
from gradmark.reports.results import speeds

PROSE = "sections/training_speed.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """What is compared, and a row for each experiment."""
    rows = [speeds.training(outcome) for outcome in outcomes]
    unit, scale = time_unit([row["step_seconds"]["value"] for row in rows])
    table = Table(prose.caption(PROSE, "table"), f"{key}-table")
    table.column("problem")
    table.column("at once")
    for head in (f"gradmark, {unit}", f"loop, {unit}", "loop over gradmark", "bound, over gradmark's"):
        table.quantity_column(head)
    for row in rows:
        seconds = [speeds.scaled(row[name], scale) for name in ("step_seconds", "loop_step_seconds")]
        found = [*seconds, row["loop_over_gradmark"], row["bound_over_gradmark"]]
        table.row(
            breakable(row["problem"]),
            count(row["runs_at_once"], "seed"),
            *(cell for each in found for cell in quantities(each)),
        )
        table.note(f"{count(row['threads'], 'thread')}, {count(row['rounds'], 'round')}.")
    return [*prose.blocks(PROSE), table.block()]
