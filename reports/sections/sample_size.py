"""Variance against the number of samples: a panel for each problem, and the slopes."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import columns, drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.elements import Block, Table, ends, figure, quantities
from gradmark.reports.layout.numbers import plain
from gradmark.reports.layout.style import Look, breakable, looks, wrapped

HEIGHT = 1.5  # inches of a panel
ACROSS = 3  # panels
PROSE = "sections/sample_size.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The law of averages as a formula, a figure of all problems, and a table of slopes."""
    known = looks(row["estimator"] for outcome in outcomes for row in (outcome.tables or {})["slopes"])
    shown = figure(f"{key}.svg", _drawn(outcomes, known), prose.caption(PROSE, "figure"), f"{key}-figure")
    return [*prose.blocks(PROSE), shown, _table(outcomes, f"{key}-table")]


def _drawn(outcomes: list[Outcome], known: dict[str, Look]) -> str:
    across = min(ACROSS, len(outcomes))
    down = -(-len(outcomes) // across)
    entries = columns(known, 0.4)
    with drawing():
        bottom = 0.45 + 0.16 * -(-len(known) // entries)
        shown, made = panels((down, across), HEIGHT, left=0.55, top=0.35, bottom=bottom, between=0.62)
        axes = list(made.flat)
        rows = [_relative((outcome.tables or {})["variances"]) for outcome in outcomes]
        for number, each in enumerate(axes):
            if number >= len(outcomes):
                each.set_visible(False)
                continue
            line = rows[number - number % across : number - number % across + across]
            limits = room([row["at"][0] for some in line for row in some])
            each.set_title(wrapped((outcomes[number].tables or {})["setting"][0]["problem"], 34), fontsize=7)
            _panel(each, rows[number], known, limits)
            if number + across >= len(outcomes):
                each.set_xlabel("samples L")
            if number % across == 0:
                each.set_ylabel("relative variance")
        handles = [Line2D([], [], label=name, **_style(look)) for name, look in known.items()]
        shown.legend(handles=handles, loc="lower left", ncols=entries, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


def _relative(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Value and interval over the first estimator's at the fewest samples."""
    scale = rows[0]["variance"]["value"]
    return [{**row, "at": [part / scale for part in ends(row["variance"])]} for row in rows if row["variance"]["value"]]


def _style(look: Look) -> dict[str, Any]:
    return {"color": look.colour, "marker": look.marker, "markersize": 3, "linewidth": 1.1}


def _panel(axes: Axes, rows: list[dict[str, Any]], known: dict[str, Look], limits: tuple[float, float]) -> None:
    for name in dict.fromkeys(row["estimator"] for row in rows):
        mine = [row for row in rows if row["estimator"] == name]
        values = [row["at"][0] for row in mine]
        reach = [[row["at"][0] - row["at"][1] for row in mine], [row["at"][2] - row["at"][0] for row in mine]]
        axes.errorbar([row["samples"] for row in mine], values, reach, **_style(known[name]), elinewidth=0.8)
    logarithmic(axes, "x", room([float(row["samples"]) for row in rows]), 4)
    logarithmic(axes, "y", limits)
    grid(axes, "both")


def _table(outcomes: list[Outcome], label: str) -> Block:
    table = Table(prose.caption(PROSE, "table"), label)
    table.column("estimator")
    table.quantity_column("slope")
    table.column("χ²/f", "right")
    table.column("tail")
    for outcome in outcomes:
        tables = outcome.tables or {}
        table.group(breakable(tables["setting"][0]["problem"]))
        for row in tables["slopes"]:
            table.row(breakable(row["estimator"]), *quantities(row["slope"]), plain(row["misfit"], 2), row["tail"])
        for row in tables["refused"]:
            table.note(f"{breakable(row['estimator'])} is left out: {breakable(row['reason'])}")
    table.note("Where the line does not fit (χ²/f above 1) the interval is widened by its root.")
    return table.block()
