"""What the catalogues, a summary and a store look like in a terminal.

Text that is anybody's is printed as `Text`: in a string, rich takes "[/red]" for markup and ":cat:" for a picture.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradmark.benchmarks import data, specs
from gradmark.benchmarks.measurement.grouping import WARM_UP
from gradmark.benchmarks.measurement.quantities import NONE_FINITE, NOT_COUNTED
from gradmark.benchmarks.studies import study


def rows(kind: str) -> list[dict[str, Any]]:
    """The catalogue of `kind` as plain data: estimators, problems, experiments, studies or data."""
    return {
        "estimators": _estimators,
        "problems": lambda: _signed("problem"),
        "experiments": lambda: _signed("experiment"),
        "studies": _studies,
        "data": _data,
    }[kind]()


def _estimators() -> list[dict[str, Any]]:
    found = []
    for name, cls in specs.catalogue("estimator").items():
        bias = "unbiased" if cls.unbiased else "biased"
        entry = {
            "family": specs.family(cls),
            "name": name,
            "bias": bias,
            "target": cls.target.name,
            "what": _sentence(cls),
        }
        found.append({**entry, **_traits(cls), "reference": cls.reference})
    return found


def _traits(cls: Any) -> dict[str, Any]:
    """What a method fits, needs, costs and keeps; None each for a plug-in that cannot be asked without arguments."""
    from gradmark.benchmarks.cli import capabilities  # torch and all problems: for this table only

    try:
        known = capabilities.traits(cls())
    except Exception as fault:  # a plug-in may be anybody's code
        unknown = dict.fromkeys(("distributions", "needs", "draws", "evaluations", "state"))
        return {**unknown, "unknown": " ".join(f"{type(fault).__name__}: {fault}".split())[:200]}
    return {**dataclasses.asdict(known), "per_draw": known.per_draw}


def _signed(kind: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "signature": _signature(name, cls), "what": _sentence(cls)}
        for name, cls in specs.catalogue(kind).items()
    ]


def _signature(name: str, cls: Any) -> str:
    """How a problem or an experiment is spelled, with its defaults."""
    fields = dataclasses.fields(cls)
    given = [f.name if f.default is dataclasses.MISSING else f"{f.name}={f.default!r}" for f in fields]
    return f"{name}({', '.join(given)})".replace("'", '"')


def _studies() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "title": plan.title,
            "cells": len(plan.cells()),
            "trainings": len(plan.trainings()),
            "experiments": len(plan.inquiries()),
        }
        for name, plan in study.published().items()
    ]


def _data() -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "rows": entry.rows,
            "columns": entry.columns,
            "available": entry.unavailable or "yes",
            "source": entry.source,
        }
        for entry in data.DATA_SETS.values()
    ]


def _sentence(cls: type) -> str:
    """The first sentence of a class's docstring, on one line."""
    return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())


def show(found: dict[str, list[dict[str, Any]]]) -> None:
    """Catalogues as tables of two columns: a name, and what is to be said of it."""
    console = Console()
    for kind, entries in found.items():
        table = Table(title=kind, title_justify="left", show_edge=False, show_header=False, title_style="bold")
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for entry in entries:
            table.add_row(Text(entry["name"]), Text("\n".join(_said(kind, entry))))
        console.print(table)


def _said(kind: str, entry: dict[str, Any]) -> list[str]:
    """The lines of one entry in a catalogue's table."""
    if kind == "estimators":
        lines = [entry["what"], f"{entry['family']}; {entry['bias']} for the {entry['target']}"]
        if entry["distributions"] is None:
            return [*lines, f"could not be asked: {entry['unknown']}", entry["reference"]]
        fits = f"z: {', '.join(entry['distributions'])}; needs {', '.join(entry['needs'])}; draws: {entry['draws']}"
        state = f"state: {', '.join(entry['state']) or 'none'}"
        return [*lines, fits, f"evaluations: {entry['per_draw']}; {state}", entry["reference"]]
    if kind in ("problems", "experiments"):
        return [entry["signature"], entry["what"]]
    if kind == "studies":
        counts = f"{entry['cells']} cells, {entry['trainings']} training runs, {entry['experiments']} experiments"
        return [entry["title"], counts]
    available = "" if entry["available"] == "yes" else f"; {entry['available']}"
    return [f"{entry['rows']} × {entry['columns']}{available}", entry["source"]]


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
        text += f" (largest |z| {worst} at {bias['coordinate']}; would have seen {bias['minimum_detectable']:.3g})"
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
