"""Figures of training: the objective, and its gap to −log p(x), against steps and against seconds."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmarks.store import Curve
from reports.axes import columns, drawing, grid, logarithmic, panels, room, svg
from reports.results import inner
from reports.style import Look, wrapped

HEIGHT = 1.6  # inches of a panel
SETTLED = 0.05  # of the evaluations: before them an objective may lie above the frame of a linear axis


def convergence(curves: list[Curve], looks: dict[str, Look]) -> str:
    """Median over seeds with a band from the smallest to the largest; a row for the objective and one for the gap."""
    kinds = ["objective", *(["gap"] if any((c.data or {}).get("gap") is not None for c in curves) else [])]
    timed = all((c.data or {}).get("seconds") for c in curves)
    with drawing():
        entries = [wrapped(name, 70) for name in names(curves)[0]]
        across = columns(entries, 0.55)
        below = 0.42 + 0.16 * -(-sum(entry.count("\n") + 1 for entry in entries) // across)
        figure, axes = panels((len(kinds), 1 + timed), HEIGHT, left=0.62, top=0.1, bottom=below, between=0.3)
        styles = _styles(curves, looks)
        for kind, row in zip(kinds, axes, strict=True):
            for each, seconds in zip(row, (False, True), strict=False):
                _lines(each, curves, kind, seconds, styles)
            _vertical(row, curves, kind)
        for each, text in zip(axes[-1], ("steps", "seconds"), strict=False):
            each.set_xlabel(text)
        figure.align_ylabels(axes[:, 0])
        _legend(figure, curves, styles, entries, across)
        return svg(figure)


def _styles(curves: list[Curve], looks: dict[str, Look]) -> list[dict]:
    """Colour by estimator; solvers that share an estimator differ in their dashes."""
    seen: dict[str, int] = {}
    found = []
    for curve in curves:
        name = inner(curve.training.solver)
        look = looks[name]
        turn = seen[name] = seen.get(name, -1) + 1
        dashes = Look(look.colour, look.round + turn).dashes
        found.append({"color": look.colour, "linestyle": (0, dashes) if dashes else "-", "linewidth": 1.3})
    return found


def _lines(axes: Axes, curves: list[Curve], kind: str, seconds: bool, styles: list[dict]) -> None:
    grid(axes, "y")
    for curve, drawn in zip(curves, styles, strict=True):
        table = values(curve, kind)
        if curve.data is None or not len(table):
            continue
        across = np.array(curve.data["steps"], dtype=float)
        if seconds:
            across *= float(np.median(curve.data["seconds"]))
        low, high = table.min(axis=1), table.max(axis=1)
        axes.fill_between(across, low, high, color=drawn["color"], alpha=0.16, linewidth=0)
        axes.plot(across, np.median(table, axis=1), **drawn)
    axes.set_xlim(left=0)
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(6))


def values(curve: Curve, kind: str) -> np.ndarray:
    """The objective or gap of a run, `[evaluations, seeds]`; NaN where not finite, nothing where it has none."""
    found = np.array((curve.data or {}).get(kind) or np.zeros((0, 1)), dtype=float)
    return np.where(np.isfinite(found), found, np.nan)


def framed(curves: list[Curve]) -> tuple[float, float]:
    """The limits of the objective's axis: from the smallest up to the largest once the first few steps are over."""
    tables = [values(curve, "objective") for curve in curves]
    settled = np.concatenate([table[max(1, round(SETTLED * len(table)))] for table in tables])
    every = np.concatenate([table.ravel() for table in tables])
    if not np.isfinite(settled).any():
        settled = every
    top, bottom = float(np.nanmax(settled)), float(np.nanmin(every))
    reach = top - bottom if top > bottom else abs(top) or 1.0
    return bottom - 0.05 * reach, top + 0.03 * reach


def _vertical(row: np.ndarray, curves: list[Curve], kind: str) -> None:
    if kind == "objective":
        row[0].set_ylabel("objective")
        row[0].set_ylim(framed(curves))
        return
    row[0].set_ylabel("gap to −log p(x), nats")
    positive = [float(v) for curve in curves for v in values(curve, "gap").ravel() if np.isfinite(v) and v > 0]
    for axes in row:
        if positive:
            logarithmic(axes, "y", room(positive))


def names(curves: list[Curve]) -> tuple[list[str], str | None]:
    """Legend entries, and the solver they share: just the estimators where everything else is the same."""
    solvers = [curve.training.solver for curve in curves]
    shells = {solver.replace(inner(solver), "…", 1) for solver in solvers}
    if len(shells) == 1 and len({inner(solver) for solver in solvers}) == len(solvers):
        return [inner(solver) for solver in solvers], shells.pop()
    return solvers, None


def _legend(figure: Figure, curves: list[Curve], styles: list[dict], entries: list[str], across: int) -> None:
    """Beneath the panels, in the order in which the curves end: the best first."""
    ends = [float(np.nan_to_num(np.median(values(curve, "objective")[-1]), nan=np.inf)) for curve in curves]
    order = np.argsort(ends, kind="stable")
    handles = [Line2D([], [], **styles[i], label=entries[i]) for i in order]
    figure.legend(
        handles=handles, loc="lower left", ncols=across, frameon=False, fontsize=7.5, handlelength=2.2,
        columnspacing=1.5, borderaxespad=0,
    )  # fmt: skip
