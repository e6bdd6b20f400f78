"""Time of a replicate, gradmark's and others': a table, headed by each work."""

from __future__ import annotations

from typing import Any

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.elements import Block, Segment, Table, Text, muted, quantities
from gradmark.reports.layout.numbers import NONE, plain, time_unit
from gradmark.reports.layout.style import breakable
from gradmark.reports.results import speeds

PROSE = "sections/speed.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """What is compared, and one table of all works."""
    table = Table(prose.caption(PROSE, "table"), f"{key}-table")
    table.column("")
    table.quantity_column("time")
    table.quantity_column("over gradmark's")
    table.quantity_column("variance, over gradmark's")
    table.column("of the product rate", "right")
    for outcome in outcomes:
        session = speeds.session(outcome)
        unit, scale = time_unit([row["seconds"]["value"] for row in speeds.timed(outcome)])
        table.group(f"{session['work']}, {unit}: ", *_fastest(outcome))
        for row in speeds.rows(outcome):
            table.row(*_cells(row, scale))
        for line in speeds.warnings(outcome):
            table.note(f"{session['work']}: a ranking is unsafe, as {line}.")
    table.note(speeds.machine(outcomes))
    return [*prose.blocks(PROSE), table.block()]


def _fastest(outcome: Outcome) -> list[Segment]:
    best, tied = speeds.fastest(outcome)
    return [f"{best} is the fastest" if not tied else f"no one is separated from {best}: {', '.join(tied)} tie"]


def _cells(row: dict[str, Any], scale: float) -> list[str | Text]:
    if row.get("absent"):
        return [breakable(row["contender"]), [muted(NONE)], [muted(row["absent"])], "", "", "", "", ""]
    share, ours = row["share_of_product_rate"], row["contender"] == "gradmark"
    ratios = [row["over_gradmark"], row["variance_over_gradmark"]]
    return [
        breakable(row["contender"]),
        *quantities(speeds.scaled(row["seconds"], scale)),
        *(cell for ratio in ratios for cell in (["1", ""] if ours else quantities(ratio))),
        NONE if share is None else f"{plain(100 * share, 2)} %",
    ]
