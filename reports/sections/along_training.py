"""The variance of the encoder's gradient at the start, half-way and at the end, and ratios to reparameterization."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import columns, drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.elements import Block, Table, ends, figure, quantities
from gradmark.reports.layout.style import Look, breakable, looks, wrapped

HEIGHT = 1.6  # inches of a panel
PROSE = "sections/along_training.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The two gradients as a formula, a figure of all problems, and a table of ratios for each."""
    known = looks(row["estimator"] for outcome in outcomes for row in (outcome.tables or {})["variances"])
    caption = prose.caption(PROSE, "figure")
    page = [*prose.blocks(PROSE), figure(f"{key}.svg", _drawn(outcomes, known), caption, f"{key}-figure")]
    return page + [_table(outcome, f"{key}-{number}-table") for number, outcome in enumerate(outcomes)]


def _drawn(outcomes: list[Outcome], known: dict[str, Look]) -> str:
    entries = columns(known, 0.4)
    with drawing():
        bottom = 0.4 + 0.16 * -(-len(known) // entries)
        shown, axes = panels((1, len(outcomes)), HEIGHT, left=0.62, top=0.35, bottom=bottom, between=0.3)
        rows = [
            [row for row in (outcome.tables or {})["variances"] if row["part"] == "encoder"] for outcome in outcomes
        ]
        limits = room([row["variance"]["value"] for some in rows for row in some if row["variance"]["value"]])
        for outcome, some, each in zip(outcomes, rows, axes[0], strict=True):
            each.set_title(wrapped((outcome.tables or {})["setting"][0]["problem"], 50))
            _panel(each, some, known)
            logarithmic(each, "y", limits)
            grid(each, "y")
        axes[0][0].set_ylabel("total variance, encoder")
        handles = [Line2D([], [], label=name, **_style(look)) for name, look in known.items()]
        shown.legend(handles=handles, loc="lower left", ncols=entries, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


def _style(look: Look) -> dict[str, Any]:
    return {"color": look.colour, "marker": look.marker, "markersize": 4, "linewidth": 1.1}


def _panel(axes: Axes, rows: list[dict[str, Any]], known: dict[str, Look]) -> None:
    points = list(dict.fromkeys(row["at"] for row in rows))
    for name in dict.fromkeys(row["estimator"] for row in rows):
        mine = [ends(row["variance"]) for row in rows if row["estimator"] == name]
        reach = [[value - low for value, low, _ in mine], [high - value for value, _, high in mine]]
        axes.errorbar(range(len(mine)), [value for value, _, _ in mine], reach, **_style(known[name]), elinewidth=0.8)
    axes.set_xticks(range(len(points)), points)
    axes.set_xlim(-0.3, len(points) - 0.7)


def _table(outcome: Outcome, label: str) -> Block:
    tables = outcome.tables or {}
    setting = tables["setting"][0]
    first = tables["variances"][0]["estimator"]
    named = {"problem": breakable(setting["problem"]), "num_samples": setting["num_samples"], "first": breakable(first)}
    table = Table(prose.caption(PROSE, "table", **named), label)
    table.column("estimator")
    table.quantity_column("variance")
    table.quantity_column("ratio")
    for point in tables.get("points") or tables["places"]:  # as older stores name it
        objective, interval = quantities(point["objective"])
        table.group(f"{point['at']}, objective ", *objective, " ", *interval)
        for row in tables["variances"]:
            if (row["at"], row["part"]) == (point["at"], "encoder"):
                table.row(breakable(row["estimator"]), *quantities(row["variance"]), *quantities(row["ratio"]))
    return table.block()
