"""The bound of the chain against its number of steps: its terms, and the gap that they leave."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.elements import Block, figure
from gradmark.reports.layout.numbers import tidy
from gradmark.reports.layout.style import MUTED, PALETTE, breakable

HEIGHT = 1.7  # inches of a panel
PARTS = {"first": "t = 1: −E log p(x₀ | x₁)", "middle": "t = 2 … T", "prior": "prior"}
PROSE = "sections/diffusion_bound.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The bound as a formula, then a figure for each law of data."""
    page = prose.blocks(PROSE)
    for number, outcome in enumerate(outcomes):
        name, tables = f"{key}-{number}", outcome.tables or {}
        setting = tables["setting"][0]
        named = {"variance": tidy(setting["variance"]), "schedule": breakable(setting["schedule"])}
        caption = prose.caption(PROSE, "figure", **named)
        page.append(figure(f"{name}.svg", _drawn(tables["bounds"]), caption, name))
    return page


def _drawn(rows: list[dict[str, Any]]) -> str:
    mine = [row for row in rows if row["reverse variance"] == "anderson"]
    with drawing():
        shown, ((above,), (under,)) = panels((2, 1), HEIGHT, left=0.55, top=0.08, bottom=0.62, between=0.28)
        _terms(above, mine)
        steps = [row["steps"] for row in mine]
        under.plot(steps, [row["gap"] for row in mine], color=PALETTE[0], marker="o", markersize=3, linewidth=1.2)
        logarithmic(under, "x", room(steps))
        logarithmic(under, "y", room([row["gap"] for row in mine]))
        for axes, text in ((above, "minus the bound, nats"), (under, "gap, nats")):
            axes.set_ylabel(text)
            grid(axes, "y")
        under.set_xlabel("steps")
        handles = [Line2D([], [], color=colour, linewidth=5, label=label) for label, colour in _colours().items()]
        handles.append(Line2D([], [], color=MUTED, linewidth=1, label="entropy"))
        shown.legend(handles=handles, loc="lower left", ncols=4, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


def _colours() -> dict[str, str]:
    return dict(zip(PARTS.values(), PALETTE[1:], strict=False))


def _terms(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """The prior and the middle terms are stacked; the first, a log density, may be negative and stands by itself."""
    at, colours = range(len(rows)), list(_colours().values())
    first, middle, prior = ([row[part] for row in rows] for part in PARTS)
    beside = [x + 0.2 for x in at]
    axes.bar([x - 0.2 for x in at], first, 0.38, color=colours[0])
    axes.bar(beside, middle, 0.38, color=colours[1])
    axes.bar(beside, prior, 0.38, middle, color=colours[2])
    axes.axhline(rows[0]["entropy"], color=MUTED, linewidth=1)
    axes.axhline(0, color=MUTED, linewidth=0.5)
    axes.set_xticks(list(at), [str(row["steps"]) for row in rows])
