"""Variance by time sampler: the part that better times reduce, and the part that they cannot."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import drawing, grid, panels, svg, text_width
from gradmark.reports.layout.elements import Block, Table, figure, quantities
from gradmark.reports.layout.numbers import plain, tidy
from gradmark.reports.layout.style import INK, MUTED, PALETTE

HEIGHT = 1.15  # inches of a panel
TIME, NOISE = PALETTE[1], PALETTE[3]
PROSE = "sections/time_sampling.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The split as a formula, and for each experiment a figure and a table."""
    page = prose.blocks(PROSE)
    for number, outcome in enumerate(outcomes):
        name, tables = f"{key}-{number}", outcome.tables or {}
        setting = tables["setting"][0]
        caption = prose.caption(PROSE, "figure", theta=tidy(setting["theta"]), count=setting["n"])
        page.append(figure(f"{name}.svg", _drawn(tables["variances"]), caption, f"{name}-figure"))
        page.append(_table(tables, f"{name}-table"))
    return page


def _cases(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["quantity"], row["target"]) for row in rows))


def _drawn(rows: list[dict[str, Any]]) -> str:
    cases = _cases(rows)
    names = list(dict.fromkeys(row["sampler"] for row in rows))
    with drawing():
        left = text_width(names) + 0.2
        shown, axes = panels((1, len(cases)), HEIGHT, left=left, top=0.22, bottom=0.5, between=0.3)
        for case, each in zip(cases, axes[0], strict=True):
            _bars(each, [row for row in rows if (row["quantity"], row["target"]) == case])
            each.set_title(f"{case[0]}, {case[1]} target")
        axes[0][0].set_yticks(range(len(names)), names)
        axes[0][0].invert_yaxis()
        handles = [Line2D([], [], color=c, linewidth=5, label=text) for text, c in (("time", TIME), ("noise", NOISE))]
        shown.legend(handles=handles, loc="lower left", ncols=2, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


def _bars(axes: Axes, rows: list[dict[str, Any]]) -> None:
    whole = rows[0]["time"] + rows[0]["noise"] or 1.0
    time, noise = ([row[part] / whole for row in rows] for part in ("time", "noise"))
    axes.barh(range(len(rows)), time, 0.66, color=TIME)
    axes.barh(range(len(rows)), noise, 0.66, time, color=NOISE)
    measured = [(row["variance"]["value"] or 0.0) / whole for row in rows]
    axes.plot(measured, range(len(rows)), "|", color=INK, markersize=7, markeredgewidth=1)
    if not any(row["time"] + row["noise"] for row in rows):
        axes.text(0.5, 0.5, "no variance", transform=axes.transAxes, ha="center", va="center", fontsize=7, color=MUTED)
    axes.set_xlim(0, 1.08)
    grid(axes, "x")


def _table(tables: dict[str, Any], label: str) -> Block:
    rows = tables["variances"]
    table = Table(prose.caption(PROSE, "table"), label)
    table.column("times")
    for head in ("time part", "noise part", "total"):
        table.column(head, "right")
    table.quantity_column("measured")
    for quantity, target in _cases(rows):
        table.group(f"{quantity}, {target} target")
        for row in [each for each in rows if (each["quantity"], each["target"]) == (quantity, target)]:
            parts = (plain(row["time"]), plain(row["noise"]), plain(row["time"] + row["noise"]))
            table.row(row["sampler"], *parts, *quantities(row["variance"]))
    spent = max(row["draws"] for row in tables["history"])
    table.note(
        f"The learned importance was warmed up by uniform times until each bin had its history: up to {spent} draws."
    )
    return table.block()
