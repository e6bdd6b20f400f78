"""The gap of an encoder in two parts: the family's own, and what amortising adds."""

from __future__ import annotations

from typing import Any

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout.axes import drawing, grid, panels, svg
from gradmark.reports.layout.elements import Block, Table, emph, figure, formula, paragraph
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

FORMULA = (
    'log p(x) - cal(L)(q_phi) = underbrace(log p(x) - max_(q in cal(Q)) cal(L)(q), "the family\'s")'
    ' + underbrace(max_(q in cal(Q)) cal(L)(q) - cal(L)(q_phi), "the encoder\'s")'
)


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The formula, what the two models say, and for each experiment a figure and a table."""
    found = [
        formula(FORMULA),
        paragraph(
            "The model is known and stays as it is. An encoder shares its parameters among rows; the best q of each "
            "row by itself is found by coordinate ascent. On a ",
            emph("linear Gaussian model"),
            " the best means are affine in x and the best variances the same for all rows, so that a linear encoder "
            "loses nothing, however large the family's gap is. On a ",
            emph("belief network"),
            " independent bits are not enough, and on top of that an affine map of x does not give the best logits: "
            "a better encoder would close the second part, and none the first.",
        ),
    ]
    for number, outcome in enumerate(outcomes):
        rows, name = (outcome.tables or {})["gaps"], f"{key}-{number}"
        found += [figure(f"{name}.svg", _drawn(rows), CAPTION, f"{name}-figure"), _table(rows, f"{name}-table")]
    return found


CAPTION = ["The gap of the best linear encoder in nats of one row: the family's part, and the encoder's on top of it."]


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
    table = Table(["Nats of one row; the encoder's part is a difference of two fits, zero up to rounding."], label)
    table.column("problem")
    for head in ("log p(x)", "the family's gap", "the encoder's gap"):
        table.column(head, "right")
    for row in rows:
        values = (plain(row["log_evidence"], 5), plain(row["family"], 4), tidy(row["amortisation"], 3))
        table.row(breakable(row["problem"]), *values)
    return table.block()
