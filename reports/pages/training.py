"""Pages about training: curves against steps and seconds, where they end, and when they reach a target."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradmark.benchmarks.measurement.quantities import LEVEL
from gradmark.benchmarks.store.records import Curve
from gradmark.reports.layout import prose
from gradmark.reports.layout.elements import Block, Table, Text, emph, figure, heading, muted, swatch
from gradmark.reports.layout.numbers import count, plain, quantity, tidy, time_unit
from gradmark.reports.layout.style import Look, breakable
from gradmark.reports.plots import evidence
from gradmark.reports.plots import training as drawing
from gradmark.reports.results import arrivals, frames, parts
from gradmark.reports.results.ranking import WINNER_LEVEL
from gradmark.reports.results.results import Results

NAME = "training"


def blocks(results: Results, looks: dict[str, Look]) -> list[Block]:
    """The section on convergence."""
    if not results.figures:
        return []
    page: list[Block] = [heading(1, "Convergence", NAME), *prose.blocks("training.md")]
    for number, curves in enumerate(results.figures):
        key = f"{NAME}-{number}"
        page += [
            heading(2, parts.of_run(curves[0]).problem, f"{key}-heading"),
            figure(f"{key}.svg", drawing.convergence(curves, looks), _caption(curves), f"{key}-figure"),
            _ends(curves, looks, key),
        ]
        stacked = evidence.split(curves, looks)
        if stacked is not None:
            page.append(
                figure(f"{key}-split.svg", stacked, prose.caption("training.md", "split"), f"{key}-split-figure")
            )
    return page


def _caption(curves: list[Curve]) -> Text:
    run, data = curves[0].training, curves[0].data or {}
    shared = drawing.names(curves)[1]
    how = "exact" if data["evaluation"] == "oracle" else f"from {data['evaluation']}"
    problem = breakable(parts.of_run(curves[0]).problem)
    text = (
        f"Training on {problem}{f' with {shared}' if shared else ''}, {run.device}, {run.dtype}. Lines are medians "
        f"over {run.seeds} seeds, bands reach from the smallest to the largest seed; the objective is {how}."
    )
    if drawing.framed(curves)[1] < max(float(np.nanmax(drawing.values(curve, "objective"))) for curve in curves):
        text += " Its axis leaves out the start of the runs."
    if data.get("gap") is not None:
        text += " Below, its gap to −log p(x), on a logarithmic axis."
    if any((curve.data or {}).get("tight") for curve in curves):
        text += (
            " EM's q is p(z|x), so that its objective is −log p(x) and its gap zero; the last row compares all of them "
            "by log p(x) alone: how much each is short of the best."
        )
    return [text]


def _ends(curves: list[Curve], looks: dict[str, Look], key: str) -> Block:
    frame = frames.training(curves)
    run = curves[0].training
    table = Table(_reached(curves), f"{key}-table")
    gaps = bool(frame["gap"].notna().any())
    unit, scale = time_unit([step for step in frame["seconds_per_step"] if step])
    table.column("solver")
    table.quantity_column("final objective")
    if gaps:
        table.quantity_column("gap to −log p(x)")
    for head in (f"{unit} a step", "reached", "steps to it", "seconds to it"):
        table.column(head, "right")
    table.quantity_column("times as long")
    longer = _longer(curves)
    for row, name, curve in zip(frame.to_dict("records"), drawing.names(curves)[0], curves, strict=True):
        known: dict[str, Any] = {
            str(key): None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()
        }
        ends = [*_quantity(known, "final"), *(_quantity(known, "gap") if gaps else [])]
        step, steps, seconds = (known[part] for part in ("seconds_per_step", "steps_to_target", "seconds_to_target"))
        table.row(
            [swatch(looks[known["estimator"]]), breakable(name)], *ends,
            plain(step and step * scale), f"{known['reached']} of {run.seeds}", tidy(steps), plain(seconds),
            *longer.get(id(curve), ([""], [""])),
        )  # fmt: skip
        if known["diverged"]:
            table.note(f"{name}: {known['diverged']} of {run.seeds} seeds end with an objective that is not finite.")
    return table.block()


def _reached(curves: list[Curve]) -> Text:
    run = curves[0].training
    return prose.caption(
        "training.md",
        "table",
        steps=count(run.steps, "step"),
        seeds=run.seeds,
        level=f"{LEVEL:.0%}",
        target=tidy(arrivals.target(curves), 6),
        share=f"{arrivals.TARGET:.0%}",
        every=tidy(run.steps / (run.evaluations - 1)),
        winner_level=f"{WINNER_LEVEL:.1%}",
    )


def _longer(curves: list[Curve]) -> dict[int, tuple[Text, Text]]:
    """The two cells that say how many times longer a run takes to the target than the first one."""
    goal = arrivals.target(curves)
    ordered = arrivals.first([arrivals.arrival(curve, goal) for curve in curves])
    if ordered is None:
        return {}
    cells: dict[int, tuple[Text, Text]] = {id(ordered[0].curve): (["1"], [""])}
    for other, ratio in ordered[1]:
        value, interval = arrivals.text(ratio)
        tie: Text = [] if arrivals.separated(ratio) else [emph(" tie")]
        cells[id(other.curve)] = ([value], [muted(interval), *tie])
    return cells


def _quantity(row: dict[str, Any], name: str) -> list[Text]:
    value, interval = quantity(row[name], row[f"{name}_low"], row[f"{name}_high"])
    return [[value], [muted(interval)]]
