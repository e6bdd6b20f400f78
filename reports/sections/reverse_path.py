"""The probability path as panels: forward, and back in two ways, level by level."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import drawing, panels, svg
from gradmark.reports.layout.elements import Block, figure
from gradmark.reports.layout.numbers import tidy
from gradmark.reports.layout.style import PALETTE, RULE, breakable

HEIGHT = 1.18  # inches of a panel
SHARE = 99.5  # per cent of the points that lie inside the frame
PROSE = "sections/reverse_path.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The chain and its reverse as formulas, then a figure for each experiment."""
    page = prose.blocks(PROSE)
    for number, outcome in enumerate(outcomes):
        name = f"{key}-{number}"
        caption = prose.caption(PROSE, "figure", experiment=breakable(outcome.inquiry.experiment))
        page.append(figure(f"{name}.svg", _drawn((outcome.tables or {})["points"]), caption, name))
    return page


def _drawn(rows: list[dict[str, Any]]) -> str:
    directions = list(dict.fromkeys(row["direction"] for row in rows))
    times = sorted({row["t"] for row in rows})
    reach = float(np.percentile(np.abs(np.concatenate([row["points"] for row in rows])), SHARE))
    with drawing():
        shown, axes = panels((len(directions), len(times)), HEIGHT, left=0.42, top=0.22, bottom=0.05, between=0.08)
        for direction, across, colour in zip(directions, axes, PALETTE, strict=False):
            across[0].set_ylabel(direction)
            for t, each in zip(times, across, strict=True):
                [row] = [row for row in rows if (row["direction"], row["t"]) == (direction, t)]
                _panel(each, row, reach, colour)
        for row, each in zip([r for r in rows if r["direction"] == directions[0]], axes[0], strict=True):
            each.set_title(f"t = {row['t']}, added variance {tidy(row['added'], 2)}", fontsize=7)
        return svg(shown)


def _panel(axes: Axes, row: dict[str, Any], reach: float, colour: str) -> None:
    x, y = np.array(row["points"]).T
    axes.plot(x, y, ".", color=colour, markersize=1.6, markeredgewidth=0, alpha=0.7)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.axhline(0, color=RULE, linewidth=0.3, zorder=0)
    axes.axvline(0, color=RULE, linewidth=0.3, zorder=0)
