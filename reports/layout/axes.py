"""Logarithmic axes with few, round ticks, and figures as SVG whose text stays text in the document's font."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from gradmark.reports.layout.numbers import power, tidy
from gradmark.reports.layout.style import FONT, INK, MEASURED, MUTED, RULE, WIDTH

RIGHT, GUTTER = 0.08, 0.16  # inches: right of the panels, and between them
LABEL = 7.5  # points of a tick's label
MOST_COLUMNS = 4  # of a legend
TICKS = 6  # at most, on an axis as wide as half a page
STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9))

RC: dict[Any, Any] = {
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
    "xtick.labelsize": LABEL,
    "ytick.labelsize": LABEL,
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


def panels(
    shape: tuple[int, int], height: float, *, left: float, top: float, bottom: float, between: float
) -> tuple[Figure, np.ndarray]:
    """A figure as wide as the text with panels of `height` between margins, all in inches; rows share their y axis."""
    rows, columns = shape
    total = top + rows * height + (rows - 1) * between + bottom
    figure = Figure(figsize=(WIDTH, total))
    inner = (WIDTH - left - RIGHT - (columns - 1) * GUTTER) / columns
    made = figure.subplots(
        rows, columns, sharey="row", squeeze=False,
        gridspec_kw={
            "left": left / WIDTH, "right": 1 - RIGHT / WIDTH, "top": 1 - top / total, "bottom": bottom / total,
            "wspace": GUTTER / inner, "hspace": between / height,
        },
    )  # fmt: skip
    return figure, made


def text_width(texts: Iterable[str]) -> float:
    """The widest line of these texts in inches, at the size of a tick's label."""
    return max((_line_width(line) for text in texts for line in text.split("\n")), default=0.0)


def _line_width(line: str) -> float:
    return sum(map(_advance, line)) * LABEL / 72


@cache
def _advance(character: str) -> float:
    """A character's width in STIXGeneral, in ems, and a little more, as Libertinus is a little wider."""
    font = get_font(findfont(FontProperties(family=[MEASURED])))
    if not font.get_char_index(ord(character)):
        return 0.5
    font.set_size(100, 72)
    return font.load_char(ord(character)).linearHoriAdvance / 65536 / 100 * 1.06


def columns(entries: Iterable[str], handle: float) -> int:
    """How many columns a legend of these entries may have, with `handle` inches for the line or mark before each."""
    return max(1, min(MOST_COLUMNS, int(WIDTH / (text_width(entries) + handle))))


def ticks(low: float, high: float, most: int = TICKS) -> list[float]:
    """At most `most` round numbers in a logarithmic range: powers of ten where it is wide, finer steps where not."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in reversed(STEPS):
        candidates = [step * 10.0**e for e in range(first, last + 1) for step in steps]
        inside = [tick for tick in candidates if low * 0.999 <= tick <= high * 1.001]
        if len(inside) <= most:
            break
    else:
        stride = math.ceil((last - first) / most)
        inside = [10.0**e for e in range(first, last + 1) if e % stride == 0 and low * 0.999 <= 10.0**e <= high * 1.001]
    return inside if len(inside) > 1 else [float(f"{low:.2g}"), float(f"{high:.2g}")]


def logarithmic(axes: Axes, which: Literal["x", "y"], limits: tuple[float, float], most: int = TICKS) -> None:
    """A logarithmic axis with round ticks."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(*limits)
    axis.set_major_locator(FixedLocator(ticks(*limits, most)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_label(value)))


def tick_label(value: float) -> str:
    """A tick: a plain number near one, else a power of ten."""
    if value <= 0:
        return "0"
    exponent = round(math.log10(value))
    if abs(value / 10.0**exponent - 1) < 1e-6 and not -3 < exponent < 4:
        return power(exponent)
    if value >= 1e4:
        shift = math.floor(math.log10(value))
        return f"{tidy(value / 10.0**shift)}·{power(shift)}"
    return tidy(value).replace(" × ", "·")


def room(values: list[float], margin: float = 0.06) -> tuple[float, float]:
    """Limits of a logarithmic axis around positive values, with a margin, and never less than a factor of 2 apart."""
    low, high = min(values), max(values)
    span = max(math.log10(high / low), 0.3)
    middle = math.log10(low * high) / 2
    reach = span * (0.5 + margin)
    return 10 ** (middle - reach), 10 ** (middle + reach)


def grid(axes: Axes, which: Literal["x", "y", "both"]) -> None:
    """Faint lines behind everything."""
    axes.grid(True, axis=which, color=RULE, linewidth=0.4)
    axes.set_axisbelow(True)
