"""The score function beside REINFORCE: what agrees to the bit, and the variance of each weight against the horizon."""

from __future__ import annotations

from typing import Any

from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.elements import Block, Table, ends, figure
from gradmark.reports.layout.numbers import NONE, plain
from gradmark.reports.layout.style import MARKERS, PALETTE, breakable

HEIGHT = 1.9  # inches of the panel
PROSE = "sections/policy_gradient.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The policy gradient as a formula, then a figure and a table for each experiment."""
    page = prose.blocks(PROSE)
    for number, outcome in enumerate(outcomes):
        name, tables = f"{key}-{number}", outcome.tables or {}
        named = {"experiment": breakable(outcome.inquiry.experiment), "count": tables["setting"][0]["num_samples"]}
        caption = prose.caption(PROSE, "figure", **named)
        page.append(figure(f"{name}.svg", _drawn(tables["variances"]), caption, name))
        page.append(_table(tables["agreement"], f"{name}-table"))
    return page


def _drawn(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(row["weight"] for row in rows))
    with drawing():
        shown, ((axes,),) = panels((1, 1), HEIGHT, left=0.62, top=0.08, bottom=0.62, between=0.2)
        handles, every = [], []
        for i, name in enumerate(names):
            mine = [row for row in rows if row["weight"] == name]
            at = [row["horizon"] for row in mine]
            scaled = [[part / row["squared_gradient"] for part in ends(row["variance"])] for row in mine]
            style: dict[str, Any] = {"color": PALETTE[i], "marker": MARKERS[i], "markersize": 3.5, "linewidth": 1.2}
            reach = [[row[0] - row[1] for row in scaled], [row[2] - row[0] for row in scaled]]
            axes.errorbar(at, [row[0] for row in scaled], reach, **style, elinewidth=0.8)
            handles.append(Line2D([], [], label=name, **style))
            every += [value for row in scaled for value in row]
        logarithmic(axes, "x", room([float(row["horizon"]) for row in rows]))
        logarithmic(axes, "y", room(every))
        grid(axes, "both")
        axes.set_xlabel("horizon")
        axes.set_ylabel("variance / |∇J|²")
        shown.legend(handles=handles, loc="lower left", ncols=4, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


def _table(rows: list[dict[str, Any]], label: str) -> Block:
    weights = [name for name in rows[0] if name not in ("horizon", "enumeration", "paths_that_differ")]
    table = Table(prose.caption(PROSE, "table"), label)
    for head in ("horizon", "enumeration", "trajectories that differ", *weights):
        table.column(head, "right")
    for row in rows:
        shown = [NONE if row[name] is None else plain(row[name], 2) for name in ("enumeration", *weights)]
        table.row(str(row["horizon"]), shown[0], str(row["paths_that_differ"]), *shown[1:])
    table.note("Beyond 262\u202f144 paths there is no enumeration. A difference of 0 is to the bit.")
    return table.block()
