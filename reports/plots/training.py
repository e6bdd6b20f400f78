"""Figures of training: the objective, and its gap to −log p(x), against steps, rows touched and seconds."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gradmark.benchmarks.measurement.timing_rounds import round_medians
from gradmark.benchmarks.store.records import Curve
from gradmark.reports.layout.axes import columns, drawing, grid, logarithmic, panels, room, svg
from gradmark.reports.layout.style import Look, wrapped
from gradmark.reports.results import parts

HEIGHT = 1.6  # inches of a panel
FLOOR = 1e-9  # nats, below which a gap is rounding
SETTLED = 0.05  # of the evaluations: before them an objective may lie above the frame of a linear axis


def convergence(curves: list[Curve], looks: dict[str, Look]) -> str:
    """Median over seeds with a band from the smallest to the largest; a row for the objective and one for the gap."""
    kinds = ["objective", *(["gap"] if any((c.data or {}).get("gap") is not None for c in curves) else [])]
    kinds += ["shortfall"] if any((c.data or {}).get("tight") for c in curves) else []
    timed = all((c.data or {}).get("seconds") for c in curves)
    touched = len({(c.data or {}).get("rows") for c in curves}) > 1
    across_by = ["steps", *(["rows touched"] if touched else []), *(["seconds"] if timed else [])]
    with drawing():
        entries = [wrapped(name, 70) for name in names(curves)[0]]
        across = columns(entries, 0.55)
        below = 0.42 + 0.16 * -(-sum(entry.count("\n") + 1 for entry in entries) // across)
        figure, axes = panels((len(kinds), len(across_by)), HEIGHT, left=0.62, top=0.1, bottom=below, between=0.3)
        styles = _styles(curves, looks)
        for kind, row in zip(kinds, axes, strict=True):
            for each, by in zip(row, across_by, strict=True):
                _lines(each, curves, kind, by, styles)
            _vertical(row, curves, kind)
        for each, text in zip(axes[-1], across_by, strict=True):
            each.set_xlabel(text)
        figure.align_ylabels(axes[:, 0])
        _legend(figure, curves, styles, entries, across)
        return svg(figure)


def _styles(curves: list[Curve], looks: dict[str, Look]) -> list[dict]:
    """Colour by estimator; solvers that share an estimator differ in their dashes."""
    seen: dict[str, int] = {}
    styles = []
    for curve in curves:
        name = parts.estimator_or_solver(curve)
        look = looks[name]
        turn = seen[name] = seen.get(name, -1) + 1
        dashes = Look(look.colour, look.round + turn).dashes
        styles.append({"color": look.colour, "linestyle": (0, dashes) if dashes else "-", "linewidth": 1.3})
    return styles


def _lines(axes: Axes, curves: list[Curve], kind: str, by: str, styles: list[dict]) -> None:
    grid(axes, "y")
    for curve, drawn in zip(curves, styles, strict=True):
        table = values(curve, kind, curves)
        if curve.data is None or not len(table) or not np.isfinite(table).any():
            continue
        across = np.array(curve.data["steps"], dtype=float) * _scale(curve.data, by)
        low, high = table.min(axis=1), table.max(axis=1)
        axes.fill_between(across, low, high, color=drawn["color"], alpha=0.16, linewidth=0)
        axes.plot(across, np.median(table, axis=1), **drawn)
    axes.set_xlim(left=0)
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(6 if by == "steps" else 4))


def _scale(data: dict, by: str) -> float:
    """What a step counts for on the axis: one, its seconds, or the rows that it touches."""
    if by == "seconds":
        return float(np.median(round_medians(data["seconds"])))
    return data["rows"] if by == "rows touched" else 1.0


def values(curve: Curve, kind: str, among: list[Curve] | None = None) -> np.ndarray:
    """The objective or gap of a run, `[evaluations, seeds]`; NaN where not finite, nothing where it has none.

    `shortfall` is how much log p(x) is below the best that a run `among` these found. NaN where it or a gap is zero,
    which a logarithmic axis cannot show.
    """
    table = np.array(
        (curve.data or {}).get("evidence" if kind == "shortfall" else kind) or np.zeros((0, 1)), dtype=float
    )
    if kind == "shortfall" and len(table):
        best = [float(np.nanmax(values(each, "evidence"))) for each in among or [] if len(values(each, "evidence"))]
        table = max(best) - table
    return np.where(np.isfinite(table) & ((kind in ("objective", "evidence")) | (table > 0)), table, np.nan)


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
    row[0].set_ylabel("gap to −log p(x), nats" if kind == "gap" else "log p(x) short of best")
    every = [values(curve, kind, curves).ravel() for curve in curves]
    positive = [float(v) for each in every for v in each if np.isfinite(v) and v > FLOOR]
    for axes in row:
        if positive:
            logarithmic(axes, "y", room(positive))


def names(curves: list[Curve]) -> tuple[list[str], str | None]:
    """Legend entries, and the solver they share: just the estimators where everything else is the same."""
    rows = [parts.of_run(curve).rows for curve in curves]
    solvers = [curve.training.solver for curve in curves]
    if len(set(rows)) > 1:
        return [f"{solver}, {seen}" for solver, seen in zip(solvers, rows, strict=True)], None
    estimators = [parts.estimator_or_solver(curve) for curve in curves]
    around = {solver.replace(estimator, "…", 1) for solver, estimator in zip(solvers, estimators, strict=True)}
    if len(around) == 1 and len(set(estimators)) == len(solvers):
        return estimators, around.pop()
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
