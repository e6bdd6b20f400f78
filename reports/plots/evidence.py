"""A figure of training: log p(x) along each run as the bound, with the gap on top of it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from gradmark.benchmarks.store.records import Curve
from gradmark.reports.layout.axes import drawing, grid, panels, svg
from gradmark.reports.layout.style import INK, Look, wrapped
from gradmark.reports.plots.training import SETTLED, names

HEIGHT, MOST = 1.5, 3  # inches of a panel; panels side by side
BOUND, GAP = "#88CCEE", "#CC6677"


def known(curves: list[Curve]) -> list[Curve]:
    """The runs whose gap was computed as a divergence, and which stayed finite."""
    split_runs = [curve for curve in curves if (curve.data or {}).get("divergence") is not None]
    return [curve for curve in split_runs if np.isfinite(np.array(_data(curve, "objective"), dtype=float)).all()]


def split(curves: list[Curve], looks: dict[str, Look]) -> str | None:
    """Means over seeds, whose sum is the sum's mean; a panel for each run, None where no run is known."""
    shown = known(curves)
    if not shown:
        return None
    across = min(MOST, len(shown))
    down = -(-len(shown) // across)
    titles = dict(zip((curve.training.key for curve in curves), names(curves)[0], strict=True))
    with drawing():
        figure, axes = panels((down, across), HEIGHT, left=0.7, top=0.58, bottom=0.62, between=1.02)
        low, high = _limits(shown)
        for each, curve in zip(axes.flat, shown, strict=False):
            _stack(each, curve, low)
            each.set_ylim(low, high)
            each.set_title("\n".join(wrapped(titles[curve.training.key], 34).split("\n")[:3]), color=INK)
            each.set_xlabel("steps")
        for each in list(axes.flat)[len(shown) :]:
            each.set_visible(False)
        for row in axes:
            row[0].set_ylabel("nats")
        handles = [
            Line2D([], [], color=INK, linewidth=1.2, label="log p(x)"),
            Patch(color=GAP, alpha=0.6, linewidth=0, label="gap, KL(q ‖ p(z|x))"),
            Patch(color=BOUND, alpha=0.6, linewidth=0, label="bound, L(q)"),
        ]
        figure.legend(handles=handles, loc="lower left", ncols=3, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(figure)


def _data(curve: Curve, name: str) -> list[list[float]]:
    return (curve.data or {})[name]


def _mean(curve: Curve, name: str) -> np.ndarray:
    return np.array(_data(curve, name), dtype=float).mean(axis=1)


def _stack(axes: Axes, curve: Curve, low: float) -> None:
    steps, bound, gap = (curve.data or {})["steps"], -_mean(curve, "objective"), _mean(curve, "divergence")
    grid(axes, "y")
    axes.fill_between(steps, low, np.maximum(bound, low), color=BOUND, alpha=0.6, linewidth=0)
    axes.fill_between(steps, np.maximum(bound, low), np.maximum(bound + gap, low), color=GAP, alpha=0.6, linewidth=0)
    axes.plot(steps, _mean(curve, "evidence"), color=INK, linewidth=1.2)
    axes.set_xlim(0, steps[-1])
    axes.xaxis.set_major_locator(MaxNLocator(4))


def _limits(curves: list[Curve]) -> tuple[float, float]:
    """From the usual run's lowest bound, once the first few steps are over, up to the highest log p(x).

    A run that does not train q, as maximum likelihood does not, has a bound that falls out of the picture.
    """
    settled = [
        -_mean(curve, "objective")[max(1, round(SETTLED * len(_data(curve, "objective")))) :] for curve in curves
    ]
    low = float(np.median([bound.min() for bound in settled]))
    high = max(float(_mean(curve, "evidence").max()) for curve in curves)
    reach = high - low if high > low else abs(high) or 1.0
    return low - 0.25 * reach, high + 0.05 * reach
