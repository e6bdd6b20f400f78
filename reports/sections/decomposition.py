"""log p(x) as a gap and a bound at random q: the gap against its exact value, and the residual from rounding."""

from __future__ import annotations

from itertools import groupby
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import columns, drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.elements import Block, Table, figure
from gradmark.reports.layout.numbers import grouped, plain, tidy
from gradmark.reports.layout.style import MARKERS, MUTED, PALETTE, breakable
from gradmark.reports.results.parts import experiment_problem

HEIGHT = 1.7  # inches of a panel
Group = tuple[str, str, list[dict[str, Any]]]  # problem, where q is from, rows
PROSE = "sections/decomposition.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The formula, a figure of every draw, and a table of what is left over."""
    groups = _groups(outcomes)
    shown = figure(f"{key}.svg", _drawn(groups), prose.caption(PROSE, "figure"), f"{key}-figure")
    return [*prose.blocks(PROSE), shown, _table(groups, f"{key}-table")]


def _groups(outcomes: list[Outcome]) -> list[Group]:
    groups: list[Group] = []
    for outcome in outcomes:
        problem = experiment_problem(outcome)
        rows = sorted((outcome.tables or {})["draws"], key=lambda row: row["q"], reverse=True)
        groups += [(problem, which, list(of_q)) for which, of_q in groupby(rows, key=lambda row: row["q"])]
    return groups


def _drawn(groups: list[Group]) -> str:
    with drawing():
        names = [f"{problem}, {which}" for problem, which, _ in groups]
        across = columns(names, 0.4)
        below = 0.42 + 0.16 * -(-len(names) // across)
        shown, (above, under) = panels((2, 1), HEIGHT, left=0.62, top=0.1, bottom=below, between=0.25)
        styles = [
            {
                "color": PALETTE[i % len(PALETTE)],
                "marker": MARKERS[i % len(MARKERS)],
                "markersize": 2.5,
                "linestyle": "",
            }
            for i in range(len(groups))
        ]
        for (_, _, rows), style in zip(groups, styles, strict=True):
            across_ = [row["log_evidence"] - row["bound"] for row in rows]
            above[0].plot(across_, [row["divergence"] for row in rows], **style)
            under[0].plot(across_, [row["residual_over_rounding"] for row in rows], **style)
        _axes(above[0], under[0], [row for _, _, rows in groups for row in rows])
        handles = [Line2D([], [], label=name, **style) for name, style in zip(names, styles, strict=True)]
        shown.legend(handles=handles, loc="lower left", ncols=across, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


def _axes(above: Axes, under: Axes, rows: list[dict[str, Any]]) -> None:
    limits = room([row["divergence"] for row in rows if row["divergence"] > 0] or [1.0])
    above.plot(limits, limits, color=MUTED, linewidth=0.8, zorder=1)
    for axes in (above, under):
        logarithmic(axes, "x", limits)
        grid(axes, "both")
    logarithmic(above, "y", limits)
    logarithmic(under, "y", room([max(row["residual_over_rounding"], 0.01) for row in rows]))
    above.set_ylabel("KL(q ‖ p(z|x)), nats")
    under.set_ylabel("residual / rounding")
    under.set_xlabel("log p(x) − L(q), nats")


def _table(groups: list[Group], label: str) -> Block:
    table = Table(prose.caption(PROSE, "table"), label)
    table.column("problem")
    table.column("q")
    for head in ("draws", "log p(x)", "gap", "bound", "largest residual"):
        table.column(head, "right")
    for problem, which, rows in groups:
        values = [median(row[name] for row in rows) for name in ("log_evidence", "divergence", "bound")]
        worst = max(row["residual_over_rounding"] for row in rows)
        table.row(breakable(problem), which, grouped(len(rows)), *(plain(value, 5) for value in values), tidy(worst, 2))
    return table.block()
