"""How white the end of the chain is, against its total variance, and what starting from white noise costs."""

from __future__ import annotations

from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.elements import Block, figure
from gradmark.reports.layout.style import MARKERS, PALETTE, breakable

HEIGHT = 1.6  # inches of a panel
DISTANCES = ("Wasserstein-1", "total variation", "energy")
PROSE = "sections/white_noise.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The formula, the correction, and a figure for each distribution of data."""
    page = prose.blocks(PROSE)
    for number, outcome in enumerate(outcomes):
        name = f"{key}-{number}"
        data = breakable((outcome.tables or {})["setting"][0]["data"])
        page.append(figure(f"{name}.svg", _drawn(outcome), prose.caption(PROSE, "figure", data=data), name))
    return page


def _drawn(outcome: Outcome) -> str:
    ends = (outcome.tables or {})["ends"]
    totals = [end["total"] for end in ends]
    styles = {
        name: {"color": PALETTE[i], "marker": MARKERS[i], "markersize": 3, "linewidth": 1.2}
        for i, name in enumerate(DISTANCES)
    }
    with drawing():
        shown, axes = panels((1, 2), HEIGHT, left=0.55, top=0.22, bottom=0.62, between=0.3)
        titles = {"": "end of the chain", "reverse: ": "what a reverse from white noise gives"}
        for each, (prefix, title) in zip(axes[0], titles.items(), strict=True):
            for name, style in styles.items():
                each.plot(totals, [end[prefix + name] for end in ends], **style)
            logarithmic(each, "x", room(totals))
            each.set_title(title)
            each.set_xlabel("total variance v")
            grid(each, "both")
        values = [end[prefix + name] for end in ends for name in DISTANCES for prefix in ("", "reverse: ")]
        logarithmic(axes[0][0], "y", room(values))
        axes[0][0].set_ylabel("distance")
        handles = [Line2D([], [], label=name, **style) for name, style in styles.items()]
        shown.legend(handles=handles, loc="lower left", ncols=3, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)
