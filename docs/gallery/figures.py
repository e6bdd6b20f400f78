"""The figure of a method: the total variance of every method on a few small problems, this one's marked."""

from __future__ import annotations

import json
import math
from html import escape
from pathlib import Path
from typing import TypedDict

FILE = Path(__file__).with_name("variances.json")
LEFT, WIDTH = 4.0, 92.0  # of the axis, in percent


class Point(TypedDict):
    """The variance of one method on one problem."""

    method: str
    target: str
    unbiased: bool
    value: float
    exact: bool  # a quadrature's or a sum over all outcomes, else measured


class Strip(TypedDict):
    """One problem, and the methods that fit it."""

    problem: str
    at: str
    num_samples: int
    points: list[Point]


def strips() -> list[Strip]:
    """The variances that were measured with `python -m docs.gallery.variances`."""
    return json.loads(FILE.read_text("utf-8"))


def figure(method: str) -> str:
    """The strips that show the method, as HTML; empty where there are none."""
    drawn = [_strip(strip, method) for strip in strips()]
    if not any(drawn):
        return ""
    return f'<div class="strips">{"".join(drawn)}</div>'


def _strip(strip: Strip, method: str) -> str:
    own = next((point for point in strip["points"] if point["method"] == method), None)
    if own is None:
        return ""
    rivals = [point for point in strip["points"] if point["target"] == own["target"] and point["value"] > 0]
    title = f"<code>{escape(strip['problem'])}</code>, {strip['num_samples']} samples"
    value = f"{own['value']:.3g}" + ("" if own["exact"] else " (measured)")
    body = _axis(rivals, own) if own["value"] > 0 else "<p>This method has no variance here.</p>"
    return f'<div class="strip"><p>{title}: <strong>{value}</strong></p>{body}</div>'


def _axis(points: list[Point], own: Point) -> str:
    """A logarithmic axis in whole powers of ten, a dot for each method."""
    low = math.floor(min(math.log10(point["value"]) for point in points))
    high = max(math.ceil(max(math.log10(point["value"]) for point in points)), low + 1)

    def at(power: float) -> str:
        return f"{LEFT + WIDTH * (power - low) / (high - low):.2f}%"

    ticks = "".join(
        f'<line x1="{at(power)}" x2="{at(power)}" y1="20" y2="26"/><text x="{at(power)}" y="40">{_power(power)}</text>'
        for power in range(low, high + 1, max(1, (high - low) // 6))
    )
    ordered = [point for point in points if point is not own] + [own]
    dots = "".join(_dot(point, at(math.log10(point["value"])), point is own) for point in ordered)
    line = f'<line x1="{LEFT}%" x2="{LEFT + WIDTH}%" y1="20" y2="20"/>'
    return f'<svg class="axis" width="100%" height="46" role="img">{line}{ticks}{dots}</svg>'


def _dot(point: Point, x: str, own: bool) -> str:
    kind = " ".join(name for name, holds in (("own", own), ("biased", not point["unbiased"])) if holds)
    title = f"{point['method']}: {point['value']:.3g}"
    return f'<circle class="{kind}" cx="{x}" cy="20" r="{7 if own else 4.5}"><title>{escape(title)}</title></circle>'


def _power(power: int) -> str:
    return {0: "1", 1: "10", -1: "0.1", 2: "100", -2: "0.01"}.get(power) or f'10<tspan dy="-4">{power}</tspan>'
