"""The gap of a factorised q against correlation, on its closed form, and the sweeps that it took."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.elements import Block, Table, figure
from gradmark.reports.layout.numbers import grouped, plain, tidy
from gradmark.reports.layout.style import MARKERS, PALETTE

HEIGHT = 1.5  # inches of a panel
SHOWN = (0.0, 0.5, 0.8, 0.95)  # correlations in the table
PROSE = "sections/mean_field_gap.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The iterative method, the closed form, and for each experiment a figure and a table."""
    page, caption = prose.blocks(PROSE), prose.caption(PROSE, "figure")
    for number, outcome in enumerate(outcomes):
        rows, name = (outcome.tables or {})["gaps"], f"{key}-{number}"
        page += [figure(f"{name}.svg", _drawn(rows), caption, f"{name}-figure"), _table(rows, f"{name}-table")]
    return page


def _drawn(rows: list[dict[str, Any]]) -> str:
    sizes = list(dict.fromkeys(row["latents"] for row in rows))
    with drawing():
        figure_, axes = panels((2, 1), HEIGHT, left=0.55, top=0.1, bottom=0.6, between=0.22)
        above, below = axes[:, 0]
        handles = []
        for i, size in enumerate(sizes):
            these, style = [row for row in rows if row["latents"] == size], {"color": PALETTE[i % len(PALETTE)]}
            marks = {**style, "marker": MARKERS[i % len(MARKERS)], "markersize": 3}
            across = [row["correlation"] for row in these]
            above.plot(across, [row["closed_form"] for row in these], linewidth=0.9, **style)
            above.plot(across, [row["gap"] for row in these], linestyle="", **marks)
            below.plot(across, [max(row["sweeps"], 1) for row in these], linewidth=0.9, **marks)
            handles.append(Line2D([], [], label=f"{size} latents", linewidth=0.9, **marks))
        _axes(above, below, rows)
        figure_.legend(handles=handles, loc="lower left", ncols=4, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(figure_)


def _axes(above: Axes, below: Axes, rows: list[dict[str, Any]]) -> None:
    for axes in (above, below):
        grid(axes, "both")
    above.set_ylim(bottom=0)
    above.set_ylabel("gap, nats of a row")
    logarithmic(below, "y", room([max(row["sweeps"], 1) for row in rows]))
    below.set_ylabel("sweeps")
    below.set_xlabel("posterior correlation of every two latents")


def _table(rows: list[dict[str, Any]], label: str) -> Block:
    table = Table(prose.caption(PROSE, "table"), label)
    for head in ("latents", "correlation", "gap", "closed form", "difference / rounding", "variance of q / exact"):
        table.column(head, "right")
    table.column("sweeps", "right")
    for row in (row for row in rows if row["correlation"] in SHOWN):
        values = [plain(row["gap"], 5), plain(row["closed_form"], 5), tidy(row["error_over_rounding"], 2)]
        first = (str(row["latents"]), tidy(row["correlation"]))
        table.row(*first, *values, tidy(row["variance_ratio"]), grouped(row["sweeps"]))
    return table.block()
