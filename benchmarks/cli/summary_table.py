"""What the summary of one cell looks like in a terminal.

Text that is anybody's is printed as `Text`: in a string, rich takes "[/red]" for markup and ":cat:" for a picture.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradmark.benchmarks.measurement.grouping import WARM_UP
from gradmark.benchmarks.measurement.quantities import NONE_FINITE, NOT_COUNTED


def show_summary(summary: dict[str, Any]) -> None:
    """One measured or refused cell as a table of two columns."""
    console = Console()
    head = f"{summary['estimator']} on {summary['problem']}, num_samples={summary['num_samples']}, at {summary['at']}"
    console.print(Text(head))
    if summary["status"] != "measured":
        console.print(Text(f"{summary['status']}: {summary['reason']}"))
        return
    table = Table(show_header=False, show_edge=False)
    for name, value in _lines(summary):
        table.add_row(name, Text(value))
    console.print(table)


def _lines(summary: dict[str, Any]) -> list[tuple[str, str]]:
    cost = summary["cost"]
    none = NONE_FINITE if summary["nonfinite"] == summary["replicates"] else None
    return [
        ("objective", _objective(summary["objective"])),
        ("total variance", _quantity(summary["total_variance"], none)),
        ("exactly", _exactly(summary["total_variance"])),
        *([("warm-ups", _warm_ups(summary))] if summary["warm_ups"] else []),
        *([("engine", summary["engine"])] if summary["engine"] != "lifted weights" else []),
        ("bias", _bias(summary["bias"])),
        ("signal to noise", _quantity(summary["snr"], summary["snr"]["reason"])),
        ("cosine", _quantity(summary["cosine"], summary["cosine"]["reason"])),
        ("tail", _tail(summary["tail"])),
        ("not finite", f"{summary['nonfinite']} of {summary['replicates']} replicates"),
        ("seconds", _quantity(cost["seconds"])),
        ("evaluations", _evaluations(cost)),
        ("peak memory", f"{cost['peak_memory_bytes']} bytes"),
        ("variance × evaluations", _quantity(summary["variance_times_evaluations"], none)),
        ("variance × seconds", _quantity(summary["work_normalised_variance"], none)),
    ]


def _objective(objective: dict[str, Any]) -> str:
    if objective["value"] is None:
        return f"not known: {objective['reason']}"
    return f"{objective['value']:.8g} ± {objective['stderr']:.2g}"


def _warm_ups(summary: dict[str, Any]) -> str:
    return f"{summary['warm_ups']} of the baseline, {WARM_UP} estimates each; the interval covers their mean"


def _evaluations(cost: dict[str, Any]) -> str:
    return NOT_COUNTED if cost["forward"] is None else f"{cost['forward']} forward, {cost['backward']} backward"


def _bias(bias: dict[str, Any]) -> str:
    """What the test of bias found, in how many coordinates, and the smallest bias that it would have detected."""
    if bias["reason"] is not None:
        return f"untested: {bias['reason']}"
    text = bias["verdict"]
    if bias["untested_coordinates"]:
        tested = bias["coordinates"] - bias["untested_coordinates"]
        text += f" in {tested} of {bias['coordinates']} coordinates"
    if bias["minimum_detectable"] is not None:
        worst = "∞" if bias["max_abs_z"] is None else f"{bias['max_abs_z']:.2f}"
        text += f" (largest |z| {worst} at {bias['coordinate']}; smallest detectable {bias['minimum_detectable']:.3g})"
    return text + (f"; untested: {bias['why_untested']}" if bias["untested_coordinates"] else "")


def _tail(tail: dict[str, Any]) -> str:
    if tail["kind"] is None:
        return f"not judged: {tail['reason']}"
    return f"{tail['kind']} (k-hat {_number(tail['khat'])})"


def _quantity(quantity: dict[str, Any], reason: str | None = None) -> str:
    if quantity["value"] is None:
        return f"not known: {reason}" if reason else "not known"
    text = _number(quantity["value"])
    if quantity["withheld"] is not None:
        return f"{text}  ({quantity['withheld']})"
    return text if quantity["ci"] is None else f"{text}  [{_number(quantity['ci'][0])}, {_number(quantity['ci'][1])}]"


def _exactly(quantity: dict[str, Any]) -> str:
    if quantity["exact"] is None:
        return f"not known: {quantity['not_exact']}"
    spread = "" if quantity["exact_stderr"] is None else f" ± {quantity['exact_stderr']:.2g}"
    given = "" if quantity["exact_given"] is None else f", {quantity['exact_given']}"
    return f"{_number(quantity['exact'])}{spread}{given}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
