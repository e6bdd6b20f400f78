"""Batch-normalised advantages: the length and the direction of their expected gradient, against the exact one."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.elements import Block, Table, figure, quantities
from gradmark.reports.layout.numbers import NONE, plain
from gradmark.reports.layout.style import MARKERS, MUTED, PALETTE, breakable

HEIGHT = 1.35  # inches of a panel
STYLES: dict[str, dict[str, Any]] = {
    name: {"color": PALETTE[i], "marker": MARKERS[i], "markersize": 3, "linewidth": 1.2}
    for i, name in enumerate(("mean baseline", "normalised"))
}
PROSE = "sections/normalised_advantages.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The measure as a formula, a figure of all problems, and a table for each."""
    shown = figure(f"{key}.svg", _drawn(outcomes), prose.caption(PROSE, "figure"), f"{key}-figure")
    return [*prose.blocks(PROSE), shown, *(_table(each, f"{key}-{i}-table") for i, each in enumerate(outcomes))]


def _drawn(outcomes: list[Outcome]) -> str:
    with drawing():
        count = len(outcomes)
        shown, axes = panels((2, count), HEIGHT, left=0.62, top=0.24, bottom=0.62, between=0.22)
        away = [1 - row["cosine"]["value"] for each in outcomes for row in (each.tables or {})["bias"]]
        limits = room([max(value, 1e-7) for value in away if value > 0] or [1e-3])
        for outcome, above, under in zip(outcomes, *axes, strict=True):
            tables = outcome.tables or {}
            above.set_title(_short(tables["setting"][0]["problem"]))
            _lengths(above, tables["bias"])
            _directions(under, tables["bias"])
            logarithmic(under, "y", limits)
            for each in (above, under):
                logarithmic(each, "x", room([float(row["batch"]) for row in tables["bias"]]), 4)
                grid(each, "both")
            under.set_xlabel("batch K")
        axes[0][0].set_ylabel("length")
        axes[1][0].set_ylabel("1 − cosine")
        handles = [Line2D([], [], label=name, **style) for name, style in STYLES.items()]
        shown.legend(handles=handles, loc="lower left", ncols=2, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


def _short(problem: str) -> str:
    return problem if len(problem) < 28 else f"{problem.partition('(')[0]}(…)"


def _lengths(axes: Axes, rows: list[dict[str, Any]]) -> None:
    batches = sorted({row["batch"] for row in rows})
    axes.plot(batches, [1 - 1 / batch for batch in batches], color=MUTED, linewidth=0.8)
    axes.axhline(1, color=MUTED, linewidth=0.5, linestyle=(0, (4, 2)))
    for name, style in STYLES.items():
        mine = [row for row in rows if row["method"] == name]
        axes.plot([row["batch"] for row in mine], [row["length"]["value"] for row in mine], **style)
        _crosses(axes, mine, "exact_length", lambda value: value)


def _directions(axes: Axes, rows: list[dict[str, Any]]) -> None:
    for name, style in STYLES.items():
        mine = [row for row in rows if row["method"] == name and row["cosine"]["value"] < 1]
        drawn = style if name == "normalised" else {**style, "linestyle": ""}
        axes.plot([row["batch"] for row in mine], [1 - row["cosine"]["value"] for row in mine], **drawn)
    _crosses(axes, [row for row in rows if row["method"] == "normalised"], "exact_cosine", lambda value: 1 - value)


def _crosses(axes: Axes, rows: list[dict[str, Any]], field: str, shown: Any) -> None:
    known = [row for row in rows if row[field] is not None]
    axes.plot(
        [row["batch"] for row in known], [shown(row[field]) for row in known], "x", color=MUTED, markersize=6, zorder=4
    )


def _table(outcome: Outcome, label: str) -> Block:
    tables = outcome.tables or {}
    setting = tables["setting"][0]
    named = {"problem": breakable(setting["problem"]), "deviation": plain(setting["sd"])}
    table = Table(prose.caption(PROSE, "table", **named), label)
    table.column("K", "right")
    table.column("(K − 1)/K", "right")
    table.quantity_column("mean baseline, length")
    table.quantity_column("normalised, length")
    table.column("exact", "right")
    table.column("over (K − 1)/K", "right")
    table.quantity_column("cosine")
    by = {(row["batch"], row["method"]): row for row in tables["bias"]}
    for batch in sorted({row["batch"] for row in tables["bias"]}):
        mean, row = by[batch, "mean baseline"], by[batch, "normalised"]
        share = 1 - 1 / batch
        exact = NONE if row["exact_length"] is None else plain(row["exact_length"], 4)
        rest = plain((row["exact_length"] or row["length"]["value"]) / share, 4)
        table.row(
            str(batch), plain(share, 4), *quantities(mean["length"]), *quantities(row["length"]), exact, rest,
            *quantities(row["cosine"]),
        )  # fmt: skip
    return table.block()
