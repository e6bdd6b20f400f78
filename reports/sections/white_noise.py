"""How white the end of the chain is, against its total variance, and what starting from white noise costs."""

from __future__ import annotations

from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout.axes import drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.elements import Block, emph, figure, formula, math, paragraph
from gradmark.reports.layout.style import MARKERS, PALETTE, breakable

HEIGHT = 1.6  # inches of a panel
DISTANCES = ("Wasserstein-1", "total variation", "energy")

FORMULA = "p_T = p_0 * N(0, v_T), quad v_T = sigma_1^2 + dots.c + sigma_T^2"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The formula, the correction, and a figure for each distribution of data."""
    found = [
        formula(FORMULA),
        paragraph(
            "More and smaller steps alone do not make the end of the chain white: whatever T, it is the data with "
            "noise of the total variance. It is white only in the limit of a ",
            emph("large total variance"),
            ", where the data are lost beneath the noise; their mean goes last, as ",
            math("v_T^(-1\\/2)"),
            " in total variation. In Wasserstein-1 it never goes, as noise moves no mean; yet a reverse that starts "
            "from white noise forgives more and more of it. The flow is one to one, and keeps the total variation.",
        ),
    ]
    for number, outcome in enumerate(outcomes):
        name = f"{key}-{number}"
        data = breakable((outcome.tables or {})["setting"][0]["data"])
        caption = f"{data}. Left: distance of the end of the chain from N(0, v). Right: distance from the data where "
        found.append(
            figure(f"{name}.svg", _drawn(outcome), [caption + "the exact probability flow starts from N(0, v)."], name)
        )
    return found


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
