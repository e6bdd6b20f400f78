"""Pages about training: curves against steps and seconds, where they end, and when they reach a target."""

from __future__ import annotations

from reports import curves as drawing
from reports import tables
from reports.blocks import Block, Table, Text, figure, heading, muted, paragraph
from reports.numbers import NONE, count, plain, reading, time_unit
from reports.results import Results
from reports.style import Look, breakable

NAME = "training"


def blocks(results: Results, looks: dict[str, Look], images: dict[str, str]) -> list[Block]:
    """The section on convergence; its figures are put into `images`."""
    if not results.figures:
        return []
    found: list[Block] = [heading(1, "Convergence", NAME), paragraph(*_preface())]
    for number, curves in enumerate(results.figures):
        run, key = curves[0].training, f"training-{number}"
        images[f"{key}.svg"] = drawing.convergence(curves, looks)
        found += [
            heading(2, run.problem, f"{key}-heading"),
            figure(f"{key}.svg", _caption(curves), f"{key}-figure"),
            _ends(curves, looks, key),
        ]
    return found


def _preface() -> Text:
    return [
        "Seeds are trained together, and start from the same parameters; every method is evaluated in the same way. Seconds are steps "
        "times the measured seconds of one step of a single run: no run was timed from end to end, and evaluations are "
        "not counted. The objective is the expected cost, which for a latent-variable model is minus the evidence lower bound."
    ]


def _caption(curves: list) -> Text:  # noqa: ANN001
    run, data = curves[0].training, curves[0].data
    shared = drawing.names(curves)[1]
    by = f" with {shared}" if shared else ""
    how = "exact" if data["evaluation"] == "oracle" else f"from {data['evaluation']}"
    text = (
        f"Training on {breakable(run.problem)}{by}, {run.device}, {run.dtype}. Lines are medians over {run.seeds} seeds, bands reach from the "
        f"smallest to the largest seed; the objective is {how}."
    )
    if data.get("gap") is not None:
        text += " Below, its gap to −log p(x), on a logarithmic axis."
    return [text]


def _ends(curves: list, looks: dict[str, Look], key: str) -> Block:  # noqa: ANN001
    frame = tables.training(curves)
    goal, run = tables.target(curves), curves[0].training
    caption: Text = [
        f"After {count(run.steps, 'step')}: mean over {run.seeds} seeds with its 95% interval (Student's t over seeds). The target is "
        f"{plain(goal, 6)}, {tables.TARGET:.0%} of the way from the start to the best median at the end; steps and seconds to it are medians over seeds of the "
        f"first evaluation at or below it, and there is one every {plain(run.steps / (run.evaluations - 1))} steps."
    ]
    gaps = bool(frame["gap"].notna().any())
    unit, scale = time_unit([step for step in frame["seconds_per_step"] if step])
    table = Table(caption, f"{key}-table")
    table.column("solver", width="1fr")
    table.reading_column("final objective")
    if gaps:
        table.reading_column("gap to −log p(x)")
    for head in (f"{unit} a step", "reached", "steps to it", "seconds to it"):
        table.column(head, "right")
    for (_, row), name in zip(frame.iterrows(), drawing.names(curves)[0], strict=True):
        dot = {"dot": looks[row["estimator"]].colour, "shape": "full"}
        cells = [_reading(row, "final"), *([_reading(row, "gap")] if gaps else [])]
        step = NONE if not row["seconds_per_step"] else plain(row["seconds_per_step"] * scale)
        table.row(
            [dot, breakable(name)], *(cell for pair in cells for cell in pair), step, f"{row['reached']} of {row['seeds']}",
            plain(_number(row["steps_to_target"])), plain(_number(row["seconds_to_target"])),
        )  # fmt: skip
    return table.block()


def _number(value: float | None) -> float | None:
    return None if value is None or value != value else value


def _reading(row, name: str) -> list[Text]:  # noqa: ANN001
    low, high = _number(row[f"{name}_low"]), _number(row[f"{name}_high"])
    value, interval = reading(_number(row[name]), low, high)
    return [[value], [muted(interval)]]
