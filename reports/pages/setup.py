"""What was measured and how, what was not, and what the methods cite."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from gradmark.benchmarks.cells import BIAS_REPLICATES
from gradmark.benchmarks.measurement.bias_test import FAMILY_LEVEL, FEWEST_FOR_BIAS, POWER
from gradmark.benchmarks.measurement.quantities import LEVEL, MARGIN
from gradmark.benchmarks.measurement.tails import FEWEST_FOR_TAIL
from gradmark.reports.layout import prose
from gradmark.reports.layout.elements import (
    NEWLINE,
    Block,
    Table,
    Text,
    code,
    heading,
    muted,
    paragraph,
    strong,
)
from gradmark.reports.layout.numbers import count, grouped
from gradmark.reports.layout.style import breakable
from gradmark.reports.results import codes, frames
from gradmark.reports.results.results import Results


def setup(results: Results) -> list[Block]:
    """What was measured, on what, and how the numbers are made."""
    page: list[Block] = [heading(1, "What was measured, and on what", "setup"), paragraph(*_extent(results))]
    if results.provenance:
        page.append(_provenance(results.provenance))
    busy = _busy(results)
    page += [paragraph(*busy)] if busy else []
    page += codes.blocks(results)
    if results.measured:
        page += [heading(2, "How to read the numbers", "method"), *_methods()]
    return page


def _extent(results: Results) -> Text:
    cells = [entry.record.cell for entry in results.measured]
    text: list[str] = []
    if cells:
        problems, estimators = ({getattr(cell, name) for cell in cells} for name in ("problem", "estimator"))
        drawn = _range(e.summary["replicates"] for e in results.measured if not e.summary["deterministic"])
        devices, dtypes = (", ".join(sorted({getattr(cell, name) for cell in cells})) for name in ("device", "dtype"))
        text += [
            f"{count(len(cells), 'cell')}: {count(len(problems), 'problem')}, {count(len(estimators), 'estimator')}, a "
            "number ",
            f"of samples K and a parameter point each. A cell is measured with {drawn} independent estimates at frozen "
            "parameters, ",
            f"from seed {_range(cell.seed for cell in cells)}, on {devices} in {dtypes}. ",
        ]
    if results.trained:
        seeds = _range(curve.training.seeds for curve in results.trained)
        text.append(f"{count(len(results.trained), 'training run')} of {seeds} seeds each. ")
    if results.answered:
        text.append(f"{count(len(results.answered), 'experiment')}, each described where it is shown.")
    return text


def _busy(results: Results) -> Text | None:
    """How busy other processes kept the machine while seconds were measured; None where no store knows it."""
    timings = [entry.record.timing or {} for entry in results.measured] + [
        curve.data or {} for curve in results.trained
    ]
    shares = [share for timing in timings for share in timing.get("busy", []) if share is not None]
    if not shares:
        return None
    typical, most = float(np.median(shares)), max(shares)
    rounds = max(len(timing.get("busy", [])) for timing in timings)
    return [
        f"Seconds come from {count(rounds, 'round')} of timing at most, each in a process of its own. Other work "
        f"took {typical:.0%} of the processor in a typical round, and {most:.0%} in the busiest."
    ]


def _range(values: Iterable[int]) -> str:
    numbers = sorted(set(values))
    if not numbers:
        return "no"
    return grouped(numbers[0]) if len(numbers) == 1 else f"{grouped(numbers[0])} to {grouped(numbers[-1])}"


def _provenance(runs: list[dict[str, Any]]) -> Block:
    """What the runs ran on; those that differ only in date and command are one row."""
    environments: dict[str, list[dict[str, Any]]] = {}
    for facts in runs:
        where = {name: value for name, value in facts.items() if name not in ("date", "command")}
        environments.setdefault(json.dumps(where, sort_keys=True), []).append(facts)
    table = Table(["What this was measured on."], "provenance")
    table.column("")
    table.column("", width="1fr")
    for number, same in enumerate(environments.values(), 1):
        if len(environments) > 1:
            table.group(f"Environment {number}")
        for name, value in _facts(same):
            table.row([muted(name)], value)
    return table.block()


def _facts(runs: list[dict[str, Any]]) -> list[tuple[str, Text]]:
    facts = runs[-1]
    versions = ", ".join(f"{name} {version}" for name, version in facts.get("versions", {}).items() if version)
    cores, threads = (count(facts.get(name) or 1, name.removesuffix("s")) for name in ("cores", "threads"))
    dates = [str(run.get("date", "")).replace("T", " ").replace("+00:00", " UTC") for run in runs]
    commands = [code(text) for text in dict.fromkeys(str(run.get("command")) for run in runs)]
    spaced = [part for command in commands for part in (command, NEWLINE)][:-1]
    return [
        ("command", spaced),
        ("date", [dates[0] if len(dates) == 1 else f"{len(dates)} runs, {dates[0]} to {dates[-1]}"]),
        ("commit", [facts.get("commit") or "an installed package"]),
        ("platform", [f"{facts.get('platform')}, Python {facts.get('python')}"]),
        ("processor", [f"{facts.get('processor')}, {cores}, {threads}"]),
        ("accelerator", [facts.get("cuda") or "none"]),
        ("versions", [versions]),
    ]


def _methods() -> list[Block]:
    return prose.blocks(
        "methods.md",
        level=f"{LEVEL:.0%}",
        margin=MARGIN,
        bias_replicates=grouped(BIAS_REPLICATES),
        family_level=FAMILY_LEVEL,
        power=POWER,
        fewest_for_bias=FEWEST_FOR_BIAS,
        fewest_for_tail=FEWEST_FOR_TAIL,
    )


KINDS = {
    "refused": "the method and the problem do not fit.",
    "failed": "an error while measuring.",
    "missing": "planned, and not measured yet.",
}


def unmeasured(results: Results) -> list[Block]:
    """Refusals, failures and missing cells, with reasons."""
    frame = frames.unmeasured(results)
    parts = {status: frame.loc[frame["status"] == status] for status in KINDS}
    listed = [_unmeasured(part, status) for status, part in parts.items() if len(part)]
    return [heading(1, "Not measured", "unmeasured"), *listed] if listed else []


def _unmeasured(part: pd.DataFrame, status: str) -> Block:
    reasons = status != "missing"
    table = Table([strong(status.capitalize()), f": {KINDS[status]}"], f"unmeasured-{status}")
    table.column("method", width="30%" if reasons else "1fr")
    table.column("where", width="20%" if reasons else "1fr")
    if reasons:
        table.column("reason", width="1fr")
    last = None
    for row in part.sort_values("problem", kind="stable", key=_first_seen).to_dict("records"):
        if row["problem"] != last:
            last = row["problem"]
            table.group(breakable(last))
        table.row(breakable(row["method"]), row["where"], *([breakable(row["reason"])] if reasons else []))
    return table.block()


def _first_seen(column: pd.Series) -> pd.Series:
    """What sorts equal values together, in the order in which each first appears."""
    return pd.Series(pd.factorize(column)[0], index=column.index)


def bibliography(results: Results) -> list[Block]:
    """What the methods used cite."""
    rows = frames.bibliography(results).to_dict("records")
    items = [[f"{row['reference']}. ", muted(row["estimators"])] for row in rows if row["reference"]]
    rest = [row["estimators"] for row in rows if not row["reference"]]
    if not rows:
        return []
    page: list[Block] = [heading(1, "References of the methods used", "references")]
    if items:
        page.append({"kind": "references", "items": items})
    if rest:
        page.append(paragraph(f"Used, without a reference in this store: {', '.join(rest)}."))
    return page
