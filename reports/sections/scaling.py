"""Seconds and memory of one gradient against latents: enumeration doubles with each, the estimators do not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.axes import RIGHT, columns, drawing, grid, logarithmic, room, svg
from gradmark.reports.layout.elements import Block, Segment, Table, figure, paragraph, quantities, strong
from gradmark.reports.layout.numbers import memory, plain, time_unit
from gradmark.reports.layout.style import INK, MARKERS, MUTED, PALETTE, WIDTH, breakable

HEIGHT = 2.1  # inches of a panel
EXACT = "ExactMarginalLikelihood"
FURTHER = 40  # latents, a number that is small for a network
YEAR = 365.25 * 24 * 3600
LAST = 5  # points that the growth is fitted to
PROSE = "sections/scaling.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """What it says, a figure and a table for each experiment."""
    page, caption = prose.blocks(PROSE), prose.caption(PROSE, "figure")
    for number, outcome in enumerate(outcomes):
        lines = _lines((outcome.tables or {})["gradients"])
        name = f"{key}-{number}"
        page += [
            paragraph(*_conclusion(lines)),
            figure(f"{name}.svg", _drawn(lines), caption, f"{name}-figure"),
            _table(lines, f"{name}-table"),
        ]
    return page


Lines = dict[str, list[dict[str, Any]]]


def _lines(rows: list[dict[str, Any]]) -> Lines:
    """The rows of each estimator, by latents."""
    return {
        name: [row for row in rows if row["estimator"] == name] for name in dict.fromkeys(r["estimator"] for r in rows)
    }


def _split(lines: Lines) -> tuple[str, str | None]:
    """Enumeration in parts, and the first estimator."""
    exact = next(name for name in lines if name.startswith(EXACT))
    return exact, next((name for name in lines if not name.startswith(EXACT)), None)


def crossing(exact: list[dict[str, Any]], other: list[dict[str, Any]]) -> float | None:
    """Where `exact` becomes slower than `other` for good, interpolated in log seconds; None if it never does."""
    latents = [row["latents"] for row in exact]
    gaps = [math.log(a["seconds"]["value"] / b["seconds"]["value"]) for a, b in zip(exact, other, strict=True)]
    for i in range(len(gaps) - 1, 0, -1):
        if gaps[i - 1] <= 0 < gaps[i]:
            return latents[i - 1] + (latents[i] - latents[i - 1]) * -gaps[i - 1] / (gaps[i] - gaps[i - 1])
    return None


def growth(rows: list[dict[str, Any]]) -> float | None:
    """The factor of seconds for each further latent, fitted to the last few points."""
    last = rows[-LAST:]
    if len(last) < 2:
        return None
    slope = np.polyfit([row["latents"] for row in last], [math.log(row["seconds"]["value"]) for row in last], 1)[0]
    return float(math.exp(slope))


def _conclusion(lines: Lines) -> list[Segment]:
    exact, other = _split(lines)
    end, factor = lines[exact][-1], growth(lines[exact])
    text: list[Segment] = [
        f"With {end['latents']} latents one gradient of log p(x) is a sum of {2 ** end['latents']} terms and takes "
        f"{_time(end['seconds']['value'])}"
    ]
    if factor is not None:
        later = end["seconds"]["value"] * factor ** (FURTHER - end["latents"])
        text += ["; each further latent multiplies that by ", strong(plain(factor)), " (last points), which for "]
        text += [f"{FURTHER} latents makes {_time(later)}"]
    if other is not None:
        at, price = crossing(lines[exact], lines[other]), lines[other][-1]["seconds"]["value"]
        text += [f". {breakable(other)} takes {_time(price)} there"]
        text += [f", and is the faster of the two from {math.ceil(at)} latents on"] if at is not None else []
    text += [". Its estimate is of the gradient of a bound, and has noise: that is the price of its speed."]
    return text


def _time(seconds: float) -> str:
    if seconds > YEAR:
        return f"{plain(seconds / YEAR)} years"
    for unit, length in (("days", 24 * 3600.0), ("hours", 3600.0)):
        if seconds > length:
            return f"{plain(seconds / length)} {unit}"
    unit, scale = time_unit([seconds])
    return f"{plain(seconds * scale)} {unit}"


def _drawn(lines: Lines) -> str:
    with drawing():
        across = columns(lines, 0.4)
        below = 0.42 + 0.16 * -(-len(lines) // across)
        total = HEIGHT + below + 0.1
        shown = Figure(figsize=(WIDTH, total))
        between = {"left": 0.62 / WIDTH, "right": 1 - RIGHT / WIDTH, "top": 1 - 0.1 / total, "bottom": below / total}
        panels = shown.subplots(1, 2, gridspec_kw={**between, "wspace": 0.28})
        styles = {
            name: {"color": PALETTE[i % len(PALETTE)], "marker": MARKERS[i % len(MARKERS)], "markersize": 3.5,
                   "linewidth": 1.2}
            for i, name in enumerate(lines)
        }  # fmt: skip
        for name, rows in lines.items():
            latents = [row["latents"] for row in rows]
            panels[0].plot(latents, [row["seconds"]["value"] for row in rows], **styles[name])
            panels[1].plot(latents, [row["peak_memory_bytes"] / 2**20 for row in rows], **styles[name])
        _axes(panels[0], "seconds", [row["seconds"]["value"] for rows in lines.values() for row in rows])
        _axes(panels[1], "MiB", [row["peak_memory_bytes"] / 2**20 for rows in lines.values() for row in rows])
        _mark(panels[0], lines)
        handles = [Line2D([], [], label=name, **style) for name, style in styles.items()]
        shown.legend(handles=handles, loc="lower left", ncols=across, frameon=False, fontsize=7.5, borderaxespad=0)
        return svg(shown)


def _axes(axes: Axes, label: str, values: list[float]) -> None:
    logarithmic(axes, "y", room([value for value in values if value > 0]))
    grid(axes, "y")
    axes.set_ylabel(label)
    axes.set_xlabel("latents")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _mark(axes: Axes, lines: Lines) -> None:
    exact, other = _split(lines)
    at = crossing(lines[exact], lines[other]) if other is not None else None
    if at is not None:
        axes.axvline(at, color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
        axes.annotate(plain(at), (at, axes.get_ylim()[1]), (3, -8), textcoords="offset points", color=INK, fontsize=7.5)


def _table(lines: Lines, label: str) -> Block:
    table = Table(prose.caption(PROSE, "table"), label)
    table.column("estimator")
    table.column("latents", "right")
    table.quantity_column("seconds")
    table.column("peak memory", "right")
    for name, rows in lines.items():
        for row in (rows[0], rows[-1]):
            table.row(
                breakable(name), str(row["latents"]), *quantities(row["seconds"]), memory(row["peak_memory_bytes"])
            )
    return table.block()
