"""The same model with its prior learned and fixed: the use of each latent, and the loss of log p(x)."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import drawing, grid, panels, svg
from gradmark.reports.layout.elements import Block, Table, figure
from gradmark.reports.layout.numbers import plain, tidy
from gradmark.reports.layout.style import INK, MARKERS, PALETTE

HEIGHT = 1.6  # inches of a panel
PROSE = "sections/fixed_prior.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """What is hidden, and for each experiment a figure and a table."""
    page, caption = prose.blocks(PROSE), prose.caption(PROSE, "figure")
    for number, outcome in enumerate(outcomes):
        tables, name = outcome.tables or {}, f"{key}-{number}"
        page += [
            figure(f"{name}.svg", _drawn(tables["latents"]), caption, f"{name}-figure"),
            _table(tables["fits"], f"{name}-table"),
        ]
    return page


def _drawn(rows: list[dict[str, Any]]) -> str:
    fits = list(dict.fromkeys(row["fit"] for row in rows))
    with drawing():
        shown, axes = panels((1, 2), HEIGHT, left=0.5, top=0.22, bottom=0.62, between=0.3)
        for each, prior in zip(axes[0], ("learned", "fixed"), strict=True):
            for i, fit in enumerate(fits):
                _marks(each, [row for row in rows if (row["fit"], row["prior"]) == (fit, prior)], i)
            each.set_title(f"prior {prior}")
            each.set_xlabel("latent")
            each.set_xticks([])
            each.set_ylim(0, 1)
            grid(each, "y")
        axes[0][0].set_ylabel("probability of being on")
        handles = [
            Line2D([], [], color=PALETTE[i], marker=MARKERS[i], markersize=3.5, linestyle="", label=fit)
            for i, fit in enumerate(fits)
        ]
        handles.append(Line2D([], [], color=INK, linewidth=0.9, label="the prior"))
        shown.legend(handles=handles, loc="lower left", ncols=4, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


def _marks(axes: Axes, rows: list[dict[str, Any]], number: int) -> None:
    """A latent and its complement are the same feature, so that it is shown as it is on most."""
    folded = sorted((max(r["posterior"], 1 - r["posterior"]), _beside(r)) for r in rows)
    for latent, (posterior, prior) in enumerate(folded):
        x = latent + 0.22 * (number - 1)
        axes.plot([x - 0.1, x + 0.1], [prior, prior], color=INK, linewidth=0.9)
        axes.plot([x], [posterior], color=PALETTE[number], marker=MARKERS[number], markersize=3.5)


def _beside(row: dict[str, Any]) -> float:
    return row["prior_says"] if row["posterior"] >= 0.5 else 1 - row["prior_says"]


def _table(rows: list[dict[str, Any]], label: str) -> Block:
    table = Table(prose.caption(PROSE, "table"), label)
    table.column("fit")
    table.column("prior")
    for head in ("log p(x)", "information", "dependence", "mismatch"):
        table.column(head, "right")
    for row in rows:
        parts = (plain(row["information"], 4), plain(row["total_correlation"], 3), tidy(row["mismatch"], 2))
        table.row(row["fit"], row["prior"], plain(row["log_evidence"], 5), *parts)
    return table.block()
