"""A learned score's relative error by noise level, and how far the draws that it makes are from the data."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.elements import Block, Table, figure, quantities
from gradmark.reports.layout.style import MARKERS, MUTED, PALETTE

HEIGHT = 1.7  # inches of a panel
PROSE = "sections/learned_score.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The measure as a formula, the errors as a figure and the distances as a table."""
    shown = figure(f"{key}.svg", _drawn(outcomes), prose.caption(PROSE, "figure"), f"{key}-figure")
    return [*prose.blocks(PROSE), shown, _table(outcomes, f"{key}-distances")]


def _drawn(outcomes: list[Outcome]) -> str:
    names = list(dict.fromkeys(row["score"] for o in outcomes for row in (o.tables or {})["errors"]))
    styles = {
        name: {"color": PALETTE[i], "marker": MARKERS[i], "markersize": 3, "linewidth": 1.2}
        for i, name in enumerate(names)
    }
    with drawing():
        shown, axes = panels((1, len(outcomes)), HEIGHT, left=0.55, top=0.22, bottom=0.62, between=0.3)
        values = [row["error"]["value"] for o in outcomes for row in (o.tables or {})["errors"]]
        for outcome, each in zip(outcomes, axes[0], strict=True):
            _panel(each, (outcome.tables or {})["errors"], styles)
            each.set_title((outcome.tables or {})["setting"][0]["data"])
            logarithmic(each, "y", room([value for value in values if value > 0]))
        axes[0][0].set_ylabel("relative squared error")
        handles = [Line2D([], [], label=name, **style) for name, style in styles.items()]
        shown.legend(handles=handles, loc="lower left", ncols=4, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


def _panel(axes: Axes, rows: list[dict[str, Any]], styles: dict[str, dict[str, Any]]) -> None:
    for name, style in styles.items():
        mine = [row for row in rows if row["score"] == name]
        added = [row["added"] for row in mine]
        axes.plot(added, [row["error"]["value"] for row in mine], **style)
        low, high = zip(*(row["error"]["ci"] for row in mine), strict=True)
        axes.fill_between(added, low, high, color=style["color"], alpha=0.2, linewidth=0)
    axes.axhline(1, color=MUTED, linewidth=0.6)
    logarithmic(axes, "x", room([row["added"] for row in rows]))
    axes.set_xlabel("added variance v")
    grid(axes, "both")


def _table(outcomes: list[Outcome], label: str) -> Block:
    table = Table(prose.caption(PROSE, "table"), label)
    table.column("draws of")
    table.quantity_column("energy distance")
    for outcome in outcomes:
        tables = outcome.tables or {}
        table.group(tables["setting"][0]["data"])
        for row in tables["distances"]:
            table.row(row["draws of"], *quantities(row["distance"]))
    return table.block()
