"""Figures of what was measured at frozen parameters: dots with their intervals on logarithmic axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradmark.reports.layout.axes import drawing, grid, logarithmic, panels, room, svg, text_width
from gradmark.reports.layout.style import FAINT, INK, MUTED, Look, wrapped
from gradmark.reports.results.ranking import Ranking
from gradmark.reports.results.results import Entry

ROW, NOISE_ROW, LINE, SHIFT = 0.155, 0.25, 0.12, 0.06  # inches: of a row, a label's line, between noises
MEASURES = {"total_variance": "total variance", "work_normalised_variance": "variance × seconds"}
NOISES = {"estimator": ("o", "the estimator's"), "minibatch": ("s", "the minibatch's"), "both": ("D", "both")}
LOWEST = 1e-300
TICKS = {1: 7, 2: 6, 3: 4}  # at most, by the number of panels side by side


@dataclass(frozen=True)
class Panel:
    """Cells that saw the same draws: heading, cells, and the comparison of those that share the first one's target."""

    heading: str
    entries: list[Entry]
    rankings: tuple[Ranking, Ranking]

    def comparable(self, entry: Entry) -> bool:
        """Whether a method has the target of the panel's comparison."""
        return entry.where == self.rankings[0].where


def variance(shown: list[Panel], looks: dict[str, Look]) -> str:
    """Total variance, and variance × seconds, of every method; a panel for each comparison, rows are methods."""
    labels = _labels(shown)
    rows = _rows(labels)
    stacked = len(shown) > 1
    shape = (2, len(shown)) if stacked else (1, 2)
    with drawing():
        left = text_width(map(wrapped, labels)) + 0.1
        figure, axes = panels(shape, rows[1], left=left, top=0.22 if stacked else 0.06, bottom=0.38, between=0.44)
        for number, (measure, title) in enumerate(MEASURES.items()):
            row = axes[number] if stacked else axes[0, number : number + 1]
            limits = _limits([e.summary[measure] for panel in shown for e in panel.entries if _drawn(e, measure)])
            for each, panel in zip(row, shown, strict=True):
                logarithmic(each, "x", limits, TICKS[shape[1]])
                _dots(each, panel, measure, rows[0], looks)
                each.set_xlabel(title)
                if stacked and number == 0:
                    each.set_title(panel.heading, color=INK)
        for each in axes[:, 0]:
            _name_rows(each, labels, rows)
        return svg(figure)


def _rows(labels: dict[str, bool], least: float = ROW) -> tuple[dict[str, float], float]:
    """Where each method's row is, in inches from the top, and where the last ends; long labels have several lines."""
    found: dict[str, float] = {}
    end = 0.0
    for label in labels:
        height = max(least, LINE * (wrapped(label).count("\n") + 1))
        found[label] = end + height / 2
        end += height
    return found, end


def _labels(shown: list[Panel]) -> dict[str, bool]:
    """Every method's label in the study's order, and whether it is ranked in a panel."""
    found: dict[str, bool] = {}
    for panel in shown:
        for entry in panel.entries:
            if any(_drawn(entry, measure) for measure in MEASURES):
                ranked = entry.unranked is None and panel.comparable(entry)
                found[entry.label] = found.get(entry.label, False) or ranked
    return found


def _drawn(entry: Entry, measure: str) -> bool:
    """Whether a logarithmic axis can show the method: the variance of an exact one is 0."""
    value = entry.summary[measure]["value"]
    return value is not None and (value > 0 or not entry.summary["deterministic"])


def _limits(quantities: list[dict[str, Any]]) -> tuple[float, float]:
    values = [value for quantity in quantities for value in (quantity["value"], *(quantity["ci"] or ()))]
    positive = [value for value in values if value is not None and value > LOWEST]
    return room(positive) if positive else (0.1, 10.0)


def _dots(axes: Axes, panel: Panel, measure: str, rows: dict[str, float], looks: dict[str, Look]) -> None:
    grid(axes, "x")
    ranking = panel.rankings[list(MEASURES).index(measure)]
    best = ranking.methods[0].value.value if ranking.methods else None
    if best:
        axes.axvline(best, color=FAINT, linewidth=0.8, zorder=1)
    for entry in panel.entries:
        if _drawn(entry, measure):
            _dot(axes, rows[entry.label], entry.summary[measure], _mark(panel, entry, looks[entry.estimator]))


def _mark(panel: Panel, entry: Entry, look: Look) -> dict[str, Any]:
    """A cross for a method that is not ranked, an open diamond for another target, an open mark for a cold state."""
    other, crossed = not panel.comparable(entry), entry.unranked is not None
    marker = "x" if crossed else "D" if other else look.marker
    face = "white" if other or entry.record.cell.state == "cold" else look.colour
    return {"marker": marker, "color": look.colour, "markerfacecolor": face, "markersize": 4.2, "markeredgewidth": 1}


def _dot(axes: Axes, row: float, quantity: dict[str, Any], mark: dict[str, Any]) -> None:
    edge = axes.get_xlim()[0]
    if quantity["value"] <= LOWEST:
        axes.plot([edge], [row], **{**mark, "marker": "<"}, clip_on=False)
        axes.annotate("0", (edge, row), (5, 0), textcoords="offset points", va="center", fontsize=7)
        return
    if quantity["ci"] is not None:
        axes.plot(quantity["ci"], [row, row], color=mark["color"], linewidth=1.4, solid_capstyle="butt", zorder=2)
    axes.plot([quantity["value"]], [row], **mark)


def _name_rows(axes: Axes, labels: dict[str, bool], rows: tuple[dict[str, float], float]) -> None:
    axes.set_ylim(rows[1], 0)
    axes.set_yticks(list(rows[0].values()), [wrapped(label) for label in labels])
    for each in axes.figure.axes:
        each.tick_params(axis="y", length=0)
    for text, ranked in zip(axes.get_yticklabels(), labels.values(), strict=True):
        text.set_color(INK if ranked else MUTED)


def noises(shown: list[Panel], looks: dict[str, Look]) -> str:
    """The noise of the estimator given the rows, of the minibatch, and of both, of every method."""
    labels = _labels(shown)
    rows = _rows(labels, NOISE_ROW)
    with drawing():
        left = text_width(map(wrapped, labels)) + 0.1
        figure, axes = panels((1, len(shown)), rows[1], left=left, top=0.44, bottom=0.38, between=0)
        quantities = [e.summary["noise"][kind] for panel in shown for e in panel.entries for kind in NOISES]
        limits = _limits([{**found, "ci": None} for found in quantities if found is not None])
        for each, panel in zip(axes[0], shown, strict=True):
            logarithmic(each, "x", limits, TICKS[len(shown)])
            _noise_rows(each, panel, rows[0], looks)
            each.set_title(panel.heading)
        _name_rows(axes[0, 0], labels, rows)
        style = {"color": MUTED, "linestyle": "", "markersize": 4}
        handles = [Line2D([], [], marker=mark, label=text, **style) for mark, text in NOISES.values()]
        figure.legend(handles=handles, loc="upper right", ncols=3, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(figure)


def _noise_rows(axes: Axes, panel: Panel, rows: dict[str, float], looks: dict[str, Look]) -> None:
    """Three marks in each row; an interval that reaches zero or below ends at the frame."""
    edge = axes.get_xlim()[0]
    grid(axes, "x")
    axes.set_xlabel("total variance")
    for entry in panel.entries:
        for shift, (kind, (mark, _)) in zip((-SHIFT, 0.0, SHIFT), NOISES.items(), strict=True):
            quantity = entry.summary["noise"][kind]
            if entry.label not in rows or quantity is None or quantity["value"] is None:
                continue
            colour, row = looks[entry.estimator].colour, rows[entry.label] + shift
            low, high = quantity["ci"] or (quantity["value"],) * 2
            if high > edge:
                axes.plot([max(low, edge), high], [row, row], color=colour, linewidth=1.2, solid_capstyle="butt")
            if quantity["value"] > edge:
                axes.plot([quantity["value"]], [row], mark, color=colour, markersize=3.4)
