"""Error against steps: how far the reverse process ends from the data, by rule, and the order with which that falls."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import columns, drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.elements import Block, Table, figure, math, muted, quantities
from gradmark.reports.layout.numbers import tidy
from gradmark.reports.layout.style import MARKERS, MUTED, PALETTE, breakable

HEIGHT = 1.35  # inches of a panel
Case = tuple[str, str]  # rule and score
PROSE = "sections/reverse_error.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """What is compared, the figure, and the fitted orders."""
    shown = figure(f"{key}.svg", _drawn(outcomes), prose.caption(PROSE, "figure"), f"{key}-figure")
    return [*prose.blocks(PROSE), shown, _orders(outcomes, f"{key}-orders")]


def _cases(outcomes: list[Outcome]) -> list[Case]:
    return list(dict.fromkeys((row["rule"], row["score"]) for o in outcomes for row in (o.tables or {})["errors"]))


def _label(case: Case) -> str:
    return case[0] if case[1] == "exact" else f"{case[0]}, score {case[1]}"


def _drawn(outcomes: list[Outcome]) -> str:
    cases = _cases(outcomes)
    styles = {
        case: {"color": PALETTE[i % len(PALETTE)], "marker": MARKERS[i % len(MARKERS)], "markersize": 2.8}
        | {"linewidth": 1.1, "linestyle": "-" if case[1] == "exact" else (0, (1.5, 1.2))}
        for i, case in enumerate(cases)
    }
    distances = list(dict.fromkeys(row["distance"] for row in (outcomes[0].tables or {})["errors"]))
    with drawing():
        across = columns([_label(case) for case in cases], 0.5)
        below = 0.45 + 0.16 * -(-len(cases) // across)
        shown, axes = panels((len(outcomes), len(distances)), HEIGHT, left=0.55, top=0.34, bottom=below, between=0.5)
        for outcome, row in zip(outcomes, axes, strict=True):
            for distance, each in zip(distances, row, strict=True):
                _panel(each, (outcome.tables or {})["errors"], distance, styles)
            setting = (outcome.tables or {})["setting"][0]
            row[0].set_title(f"{setting['data']}, {setting['schedule']}: {setting['known']}", fontsize=7.5, pad=12)
            for distance, each in zip(distances, row, strict=True):
                each.text(0.02, 1.02, distance, transform=each.transAxes, fontsize=7, color=MUTED)
        for each in axes[-1]:
            each.set_xlabel("steps")
        handles = [Line2D([], [], label=_label(case), **styles[case]) for case in cases]
        shown.legend(handles=handles, loc="lower left", ncols=across, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


def _panel(axes: Axes, errors: list[dict[str, Any]], distance: str, styles: dict[Case, dict[str, Any]]) -> None:
    mine = [row for row in errors if row["distance"] == distance and row["error"]]
    steps = np.array(sorted({row["steps"] for row in mine}), dtype=float)
    for case, style in styles.items():
        line = sorted((r["steps"], r["error"]) for r in mine if (r["rule"], r["score"]) == case)
        axes.plot([step for step, _ in line], [error for _, error in line], **style)
    logarithmic(axes, "x", room(steps.tolist()))
    logarithmic(axes, "y", room([row["error"] for row in errors if row["error"]]), most=4)
    top = max(row["error"] for row in mine if row["score"] == "exact")
    for slope in (2, 4) if distance == "energy" else (1, 2):
        axes.plot(steps, top * (steps / steps[0]) ** -slope, color=MUTED, linewidth=0.6, zorder=0)
    grid(axes, "y")


def _orders(outcomes: list[Outcome], label: str) -> Block:
    table = Table(prose.caption(PROSE, "table"), label)
    table.column("rule")
    for distance in dict.fromkeys(row["distance"] for row in (outcomes[0].tables or {})["orders"]):
        table.quantity_column(distance)
    table.column("expected", "right")
    for outcome in outcomes:
        tables = outcome.tables or {}
        setting, orders = tables["setting"][0], tables["orders"]
        table.group(breakable(f"{setting['data']}, {setting['schedule']}"), muted(f"  {setting['known']}"))
        for case in _cases([outcome]):
            rows = [row for row in orders if (row["rule"], row["score"]) == case]
            cells = [cell for row in rows for cell in quantities(row["order"], most=3)]
            table.row(_label(case), *cells, ", ".join(tidy(float(row["expected"])) for row in rows))
    table.note(
        "Ancestral sampling is short of order 1 by a logarithm where the schedule starts with equal steps: it lacks "
        "the variance ", math("sum_t sigma_t^4 \\/ v_t"), ", about ", math("log T \\/ T"), ".",
    )  # fmt: skip
    return table.block()
