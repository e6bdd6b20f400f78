"""Logarithmic axes with few, round ticks, and figures as SVG whose text stays text in the document's font."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reports.numbers import plain, power
from reports.style import FONT, INK, MEASURED, MUTED, RULE

MOST_TICKS = 6
STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9))

RC = {
    "font.family": [MEASURED, "DejaVu Sans"],  # the second has the superscripts that the first lacks
    "font.size": 8,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "gradmark",
}


@contextmanager
def drawing() -> Iterator[None]:
    """The settings of every figure; matplotlib's own are left as they are."""
    with mpl.rc_context(RC):
        yield


def svg(figure: Figure) -> str:
    """The figure as SVG; laid out in a font of matplotlib's, written in the document's."""
    file = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})
    return file.getvalue().decode("utf-8").replace(f"'{MEASURED}', 'DejaVu Sans'", f"'{FONT}'").replace(MEASURED, FONT)


def ticks(low: float, high: float) -> list[float]:
    """At most MOST_TICKS round numbers in a logarithmic range: powers of ten where it is wide, finer steps where not."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in reversed(STEPS):
        found = [step * 10.0**e for e in range(first, last + 1) for step in steps]
        inside = [tick for tick in found if low * 0.999 <= tick <= high * 1.001]
        if len(inside) <= MOST_TICKS:
            break
    else:
        stride = math.ceil((last - first) / MOST_TICKS)
        inside = [10.0**e for e in range(first, last + 1) if e % stride == 0 and low * 0.999 <= 10.0**e <= high * 1.001]
    return inside if len(inside) > 1 else [float(f"{low:.3g}"), float(f"{high:.3g}")]


def logarithmic(axis: Axis, low: float, high: float, which: Literal["x", "y"], axes: Axes) -> None:
    """A logarithmic axis from low to high with round ticks."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    axis.set_major_locator(FixedLocator(ticks(low, high)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_label(value)))


def tick_label(value: float) -> str:
    """A tick: a plain number near one, else a power of ten."""
    if value <= 0:
        return "0"
    exponent = round(math.log10(value))
    if abs(value / 10.0**exponent - 1) < 1e-6 and not -2 < exponent < 4:
        return power(exponent)
    return plain(value).replace(" × ", "·")


def room(values: list[float], margin: float = 0.06) -> tuple[float, float]:
    """Limits of a logarithmic axis around positive values, with a margin on both sides, never less than a factor of 2."""
    low, high = min(values), max(values)
    span = max(math.log10(high / low), 0.3)
    middle = math.log10(low * high) / 2
    reach = span * (0.5 + margin)
    return 10 ** (middle - reach), 10 ** (middle + reach)


def grid(axes: Axes, which: Literal["x", "y", "both"]) -> None:
    """Faint lines behind everything."""
    axes.grid(True, axis=which, color=RULE, linewidth=0.4)
    axes.set_axisbelow(True)
