"""Plots and tables of recovery: errors of fits against sample size, a panel for each error, and their rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout.axes import columns, drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.elements import Block, Table, figure, quantities
from gradmark.reports.layout.numbers import grouped, tidy
from gradmark.reports.layout.style import MARKERS, MUTED, PALETTE

HEIGHT = 1.55  # inches of a panel


class Error(NamedTuple):
    """A column of the errors, and what it is called."""

    name: str
    title: str


def recovered(outcome: Outcome, errors: Sequence[Error], key: str) -> list[Block]:
    """A figure and a table of one experiment."""
    tables = outcome.tables or {}
    caption = (
        "Relative error against rows of data, on logarithmic axes: root mean square over data sets (lines) and their "
        "median (rings). The grey line falls as one over the root of the sample size."
    )
    return [
        figure(f"{key}.svg", _drawn(tables["errors"], errors), [caption], f"{key}-figure"),
        _table(tables, errors, f"{key}-table"),
    ]


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["fit"] for row in rows))


def _of(rows: list[dict[str, Any]], fit: str, size: int, error: str) -> np.ndarray:
    return np.array([row[error] for row in rows if (row["fit"], row["size"]) == (fit, size)])


def _drawn(rows: list[dict[str, Any]], errors: Sequence[Error]) -> str:
    names, sizes = _names(rows), sorted({row["size"] for row in rows})
    across = columns(names, 0.4)
    with drawing():
        below = 0.5 + 0.16 * -(-len(names) // across)
        down = -(-len(errors) // 2)
        shown, axes = panels((down, 2), HEIGHT, left=0.55, top=0.22, bottom=below, between=0.52)
        styles = [
            {"color": PALETTE[i % len(PALETTE)], "marker": MARKERS[i % len(MARKERS)], "markersize": 3, "linewidth": 1}
            for i in range(len(names))
        ]
        limits = room([row[error.name] for row in rows for error in errors])
        for each, error in zip(axes.flat, errors, strict=False):
            for fit, style in zip(names, styles, strict=True):
                _line(each, rows, fit, error.name, sizes, style)
            worst = max(float(np.sqrt((_of(rows, fit, sizes[0], error.name) ** 2).mean())) for fit in names)
            each.plot(sizes, [worst * (sizes[0] / size) ** 0.5 for size in sizes], color=MUTED, linewidth=0.7, zorder=1)
            each.set_title(error.title)
            logarithmic(each, "x", room([float(size) for size in sizes]))
            logarithmic(each, "y", limits)
            grid(each, "both")
        for each in axes[-1]:
            each.set_xlabel("rows of data")
        for row in axes:
            row[0].set_ylabel("error")
        handles = [Line2D([], [], label=name, **style) for name, style in zip(names, styles, strict=True)]
        shown.legend(handles=handles, loc="lower left", ncols=across, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


def _line(axes: Axes, rows: list[dict[str, Any]], fit: str, error: str, sizes: list[int], style: dict) -> None:
    found = [_of(rows, fit, size, error) for size in sizes]
    axes.plot(sizes, [float(np.sqrt((each**2).mean())) for each in found], **style)
    rings = {**style, "markersize": 4.5, "markerfacecolor": "none", "markeredgewidth": 0.6, "linestyle": ""}
    axes.plot(sizes, [float(np.median(each)) for each in found], **rings)


def _table(tables: dict[str, list[dict[str, Any]]], errors: Sequence[Error], label: str) -> Block:
    rows = tables["errors"]
    sizes, sets = sorted({row["size"] for row in rows}), len({row["set"] for row in rows})
    caption = f"Fitted rates over {sets} data sets with a 95 % interval: −½ where θ* is identified, 0 where it is not."
    table = Table([caption], label)
    table.column("fit")
    table.column("error")
    table.quantity_column("rate")
    for size in (sizes[0], sizes[-1]):
        table.column(f"rms, {grouped(size)} rows", "right")
    for rate in tables["rates"]:
        for number, error in enumerate(errors):
            ends = [float(np.sqrt((_of(rows, rate["fit"], n, error.name) ** 2).mean())) for n in (sizes[0], sizes[-1])]
            first = rate["fit"] if not number else ""
            table.row(first, error.title, *quantities(rate[error.name]), *(tidy(end) for end in ends))
    return table.block()
