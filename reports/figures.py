"""Figures of what was measured at frozen parameters: dots with their intervals on logarithmic axes."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.axes import drawing, grid, logarithmic, room, svg
from reports.ranking import Ranking
from reports.results import Entry
from reports.style import FAINT, INK, MUTED, WIDTH, Look

ROW, HEAD = 0.155, 0.55  # inches: of a method's row, and of what is above and below the rows
MEASURES = {"total_variance": "total variance", "work_normalised_variance": "variance × seconds"}
NOISES = {"estimator": ("o", "estimator"), "minibatch": ("s", "minibatch"), "both": ("D", "both")}
LOWEST = 1e-300


@dataclass(frozen=True)
class Panel:
    """One comparison: its heading, its cells and the smallest ranked variance and variance × seconds."""

    heading: str
    entries: list[Entry]
    rankings: tuple[Ranking, Ranking] | None


def variance(panels: list[Panel], looks: dict[str, Look]) -> str:
    """Total variance, and variance × seconds, of every method; a panel for each comparison, rows are methods."""
    labels = _labels(panels)
    across = len(panels) > 1
    shape = (2, len(panels)) if across else (1, 2)
    with drawing():
        figure = Figure(figsize=(WIDTH, shape[0] * (len(labels) * ROW + HEAD)), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.04, h_pad=0.04, wspace=0.03, hspace=0.04)  # type: ignore[union-attr]
        grid_of_axes = figure.subplots(*shape, sharey=True, squeeze=False)
        for number, (measure, title) in enumerate(MEASURES.items()):
            row = grid_of_axes[number] if across else grid_of_axes[0, number : number + 1]
            limits = _limits([e.summary[measure] for panel in panels for e in panel.entries if _drawn(e, measure)])
            for axes, panel in zip(row, panels, strict=True):
                _dots(axes, panel, measure, labels, limits, looks)
                axes.set_xlabel(title)
                axes.set_title(panel.heading if across and number == 0 else "" if across else title, color=INK)
            if not across:
                row[0].set_xlabel("")
        for axes in grid_of_axes[:, 0]:
            _name_rows(axes, labels)
        return svg(figure)


def _labels(panels: list[Panel]) -> dict[str, bool]:
    """Every method's label in the study's order, and whether it is ranked in a panel."""
    found: dict[str, bool] = {}
    for panel in panels:
        for entry in panel.entries:
            if any(_drawn(entry, measure) for measure in MEASURES):
                found[entry.label] = found.get(entry.label, False) or entry.unranked is None
    return found


def _drawn(entry: Entry, measure: str) -> bool:
    """Whether a method has a place on a logarithmic axis; an exact one without noise has none."""
    value = entry.summary[measure]["value"]
    return value is not None and (value > 0 or not entry.summary["deterministic"])


def _limits(readings: list[dict]) -> tuple[float, float]:
    values = [value for reading in readings for value in (reading["value"], *(reading["ci"] or ()))]
    positive = [value for value in values if value is not None and value > LOWEST]
    return room(positive) if positive else (0.1, 10.0)


def _dots(
    axes: Axes, panel: Panel, measure: str, labels: dict[str, bool], limits: tuple[float, float], looks: dict[str, Look]
) -> None:
    rows = {label: number for number, label in enumerate(labels)}
    logarithmic(axes.xaxis, *limits, "x", axes)
    grid(axes, "x")
    if panel.rankings is not None:
        ranking = panel.rankings[list(MEASURES).index(measure)]
        if ranking.places and (ranking.places[0].value.value or 0) > 0:
            axes.axvline(ranking.places[0].value.value, color=FAINT, linewidth=0.7, zorder=1)  # type: ignore[arg-type]
    for entry in panel.entries:
        if _drawn(entry, measure):
            _dot(axes, rows[entry.label], entry.summary[measure], entry, looks[entry.estimator], limits[0])


def _dot(axes: Axes, row: int, reading: dict, entry: Entry, look: Look, edge: float) -> None:
    """A marker with its interval: open for a cold state, a cross for a method that is not ranked."""
    if reading["value"] <= LOWEST:
        axes.plot(edge, row, "<", color=look.colour, markersize=4.5, clip_on=False)
        axes.annotate("0", (edge, row), (5, 0), textcoords="offset points", va="center", fontsize=7)
        return
    crossed = entry.unranked is not None
    face = "white" if entry.record.cell.state == "cold" and not crossed else look.colour
    marker = "x" if crossed else look.marker
    if reading["ci"] is not None:
        axes.plot(reading["ci"], [row, row], color=look.colour, linewidth=1.4, solid_capstyle="butt", zorder=2)
    axes.plot(reading["value"], row, marker, color=look.colour, markerfacecolor=face, markersize=4.2, markeredgewidth=1)


def _name_rows(axes: Axes, labels: dict[str, bool]) -> None:
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_yticks(range(len(labels)), list(labels))
    axes.tick_params(axis="y", length=0)
    for text, ranked in zip(axes.get_yticklabels(), labels.values(), strict=True):
        text.set_color(INK if ranked else MUTED)


def noises(panels: list[Panel], looks: dict[str, Look]) -> str:
    """The noise of the estimator given the rows, of the minibatch, and of both, of every method."""
    labels = _labels(panels)
    with drawing():
        figure = Figure(figsize=(WIDTH, len(labels) * ROW * 1.5 + HEAD + 0.2), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.04, h_pad=0.04, wspace=0.03)  # type: ignore[union-attr]
        row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        limits = _limits(
            [
                e.summary["noise"][kind]
                for panel in panels
                for e in panel.entries
                for kind in NOISES
                if e.label in labels
            ]
        )
        for axes, panel in zip(row, panels, strict=True):
            _noise_rows(axes, panel, labels, limits, looks)
            axes.set_title(panel.heading)
        _name_rows(row[0], labels)
        handles = [
            row[0].plot([], [], mark, color=MUTED, markersize=4.2, label=text)[0] for mark, text in NOISES.values()
        ]
        figure.legend(
            handles=handles, loc="outside upper right", ncols=3, frameon=False, fontsize=7.5, handletextpad=0.2
        )
        return svg(figure)


def _noise_rows(
    axes: Axes, panel: Panel, labels: dict[str, bool], limits: tuple[float, float], looks: dict[str, Look]
) -> None:
    rows = {label: number for number, label in enumerate(labels)}
    logarithmic(axes.xaxis, *limits, "x", axes)
    grid(axes, "x")
    axes.set_xlabel("total variance")
    for entry in panel.entries:
        for shift, (kind, (mark, _)) in zip((-0.24, 0.0, 0.24), NOISES.items(), strict=True):
            reading = entry.summary["noise"][kind]
            if entry.label not in rows or reading is None or reading["value"] is None:
                continue
            colour, row = looks[entry.estimator].colour, rows[entry.label] + shift
            low, high = reading["ci"] or (reading["value"],) * 2
            if high > limits[0]:
                axes.plot([max(low, limits[0]), high], [row, row], color=colour, linewidth=1.2, solid_capstyle="butt")
            if reading["value"] > limits[0]:
                axes.plot(reading["value"], row, mark, color=colour, markersize=3.4)
