"""The gap of an encoder in two parts: the family's own, and what amortising adds."""

from __future__ import annotations

from typing import Any

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import drawing, grid, panels, svg
from gradmark.reports.layout.elements import Block, Table, figure
from gradmark.reports.layout.numbers import plain, tidy
from gradmark.reports.layout.style import PALETTE, breakable

HEIGHT = 1.2  # inches of a panel
PARTS = ("family", "amortisation")
KINDS = {
    ("AmortisedFixedBeliefNetwork", "FixedBeliefNetwork"): (
        "belief network",
        "strength of the weights",
    ),  # old: the second
    ("LinearGaussian",): ("linear Gaussian", "1 / noise"),
}
PROSE = "sections/amortisation_gap.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The formula, what the two models say, and for each experiment a figure and a table."""
    page, caption = prose.blocks(PROSE), prose.caption(PROSE, "figure")
    for number, outcome in enumerate(outcomes):
        rows, name = (outcome.tables or {})["gaps"], f"{key}-{number}"
        page += [figure(f"{name}.svg", _drawn(rows), caption, f"{name}-figure"), _table(rows, f"{name}-table")]
    return page


def _drawn(rows: list[dict[str, Any]]) -> str:
    with drawing():
        shown, axes = panels((2, 1), HEIGHT, left=0.55, top=0.22, bottom=0.62, between=0.62)
        for each, (names, (title, level)) in zip(axes[:, 0], KINDS.items(), strict=True):
            these = [row for row in rows if row["problem"].startswith(names)]
            bottom = [0.0] * len(these)
            for part, color in zip(PARTS, PALETTE, strict=False):
                heights = [max(row[part], 0.0) for row in these]
                each.bar(range(len(these)), heights, 0.6, bottom, color=color, label=f"the {LABELS[part]}")
                bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
            each.set_xticks(range(len(these)), [tidy(row["level"]) for row in these])
            each.set_title(title)
            each.set_xlabel(level)
            each.set_ylabel("gap, nats of a row")
            grid(each, "y")
        handles, labels = axes[0][0].get_legend_handles_labels()
        shown.legend(handles, labels, loc="lower left", ncols=2, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


LABELS = {"family": "family's gap", "amortisation": "encoder's gap"}


def _table(rows: list[dict[str, Any]], label: str) -> Block:
    table = Table(prose.caption(PROSE, "table"), label)
    table.column("problem")
    for head in ("log p(x)", "the family's gap", "the encoder's gap"):
        table.column(head, "right")
    for row in rows:
        values = (plain(row["log_evidence"], 5), plain(row["family"], 4), tidy(row["amortisation"], 3))
        table.row(breakable(row["problem"]), *values)
    return table.block()
