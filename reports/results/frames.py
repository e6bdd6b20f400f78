"""Rows in, DataFrames out: the same numbers as `gradmark measure --json` prints, one row for each cell or run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from gradmark.benchmarks.measurement.quantities import signed
from gradmark.benchmarks.store.records import Curve
from gradmark.reports.results import arrivals, parts
from gradmark.reports.results.results import Entry, Results

QUANTITIES = (
    "total_variance", "mean_squared_error", "snr", "cosine", "wrong_signs", "variance_times_evaluations",
    "work_normalised_variance",
)  # fmt: skip
FIELDS = ("problem", "estimator", "state", "num_samples", "at", "device", "dtype", "seed", "status", "reason",
          "replicates", "nonfinite", "target", "family", "unbiased", "deterministic", "reference")  # fmt: skip


def measurements(entries: list[Entry]) -> pd.DataFrame:
    """One row for each cell; a quantity `x` has the columns x, x_stderr, x_low and x_high, empty where not known."""
    return pd.DataFrame([_row(entry.summary) for entry in entries])


def _row(summary: dict[str, Any]) -> dict[str, Any]:
    row = {name: summary[name] for name in FIELDS}
    objective = summary["objective"] or {}
    row |= {"objective": objective.get("value"), "objective_stderr": objective.get("stderr")}
    row |= {"objective_exact": objective.get("exact")}
    for name in QUANTITIES:
        row |= spread(name, summary[name])
    row |= {"total_variance_exact": (summary["total_variance"] or {}).get("exact")}
    for name, quantity in (summary["noise"] or {}).items():
        row |= spread(f"noise_{name}", quantity)
    row |= {f"bias_{name}": value for name, value in (summary["bias"] or {}).items()}
    row |= {f"tail_{name}": value for name, value in (summary["tail"] or {}).items()}
    cost = dict(summary["cost"] or {})
    row |= spread("seconds", cost.pop("seconds", None))
    return row | cost


def spread(name: str, quantity: dict[str, Any] | None) -> dict[str, float | None]:
    """A quantity as columns."""
    known = quantity or {"value": None, "stderr": None, "ci": None}
    low, high = known["ci"] or (None, None)
    return {name: known["value"], f"{name}_stderr": known["stderr"], f"{name}_low": low, f"{name}_high": high}


def by_parameter(entries: list[Entry]) -> pd.DataFrame:
    """The total variance of every named parameter, one row for each cell and parameter."""
    rows = [
        {"estimator": entry.estimator, "state": entry.record.cell.state, "where": entry.where, "parameter": name}
        | spread("variance", quantity)
        for entry in entries
        for name, quantity in entry.summary["variance_by_parameter"].items()
    ]
    return pd.DataFrame(rows)


def training(curves: list[Curve]) -> pd.DataFrame:
    """Where the runs of one figure ended, over seeds, and when they reached the target; one row for each run."""
    goal = arrivals.target(curves)
    return pd.DataFrame([_run(curve, goal) for curve in curves if curve.data is not None])


def _run(curve: Curve, goal: float) -> dict[str, Any]:
    data, arrival = curve.data or {}, arrivals.arrival(curve, goal)
    objective = np.array(data["objective"], dtype=float)
    row = {"solver": curve.training.solver, "estimator": parts.estimator_or_solver(curve), "seeds": objective.shape[1]}
    row |= spread("final", signed(objective[-1]).json())
    gap = None if data.get("gap") is None else signed(np.array(data["gap"][-1], dtype=float)).json()
    row |= spread("gap", gap) | {"reached": arrival.reached}
    row |= {"seconds_per_step": float(np.median(arrival.seconds)) if len(arrival.seconds) else None}
    row |= {"diverged": int((~np.isfinite(objective[-1])).sum())}
    return row | {"steps_to_target": arrival.steps, "seconds_to_target": arrival.total_seconds}


def unmeasured(results: Results) -> pd.DataFrame:
    """What has no result, the same reason in one row: status, method, problem, reason, where."""
    ended = [
        (e.summary["status"], e.label, e.record.cell.problem, _where(e), e.summary["reason"] or "")
        for e in results.entries
        if e.summary["status"] != "measured"
    ]
    ended += [
        (c.status, c.training.solver, c.training.problem, (f"training of {c.training.steps} steps", ""), c.reason or "")
        for c in results.curves
        if c.status != "measured"
    ]
    ended += [
        (each.status, each.inquiry.experiment, "Experiments", (f"seed {each.inquiry.seed}", ""), each.reason or "")
        for each in results.outcomes
        if each.status != "measured"
    ]
    points: dict[tuple[str, str, str, str], list[tuple[str, str]]] = {}
    for status, method, problem, where, reason in ended:
        points.setdefault((status, problem, reason, method), []).append(where)
    methods: dict[tuple[str, str, str, str], list[str]] = {}
    for (status, problem, reason, method), where in points.items():
        methods.setdefault((status, problem, reason, _joined(where)), []).append(method)
    rows = [(*key, ", ".join(names)) for key, names in methods.items()]
    return pd.DataFrame(rows, columns=["status", "problem", "reason", "where", "method"])


def _where(entry: Entry) -> tuple[str, str]:
    cell = entry.record.cell
    point = cell.at if cell.device == "cpu" else f"{cell.at}, {cell.device}"
    return f"{point}, K = ", str(cell.num_samples)


def _joined(points: list[tuple[str, str]]) -> str:
    """Points with their K behind them, each point once."""
    by_point: dict[str, list[str]] = {}
    for point, samples in dict.fromkeys(points):
        by_point.setdefault(point, []).append(samples)
    return "; ".join(point + ", ".join(samples) for point, samples in by_point.items())


def bibliography(results: Results) -> pd.DataFrame:
    """Every method and experiment and what it cites, sorted by reference; empty where the store knows none."""
    cited = {parts.estimator_or_solver(c): (c.data or {}).get("reference") or "" for c in results.trained}
    cited |= {e.estimator: e.summary["reference"] for e in results.measured if e.summary["reference"]}
    solvers = {parts.of_run(c).solver: (c.data or {}).get("solver_reference") for c in results.trained}
    experiments = {parts.experiment_class(outcome): outcome.facts["reference"] for outcome in results.answered}
    others = {name: reference for name, reference in (solvers | experiments).items() if reference}
    by_class = {c.training.solver for c in results.trained if parts.of_run(c).solver in others}  # EM() is listed as EM
    citing: dict[str, list[str]] = {}
    for name in [*(name for name in results.used if name not in by_class), *others]:
        citing.setdefault((cited | others).get(name, ""), []).append(name)
    rows = sorted(citing.items(), key=lambda item: (not item[0], item[0]))
    return pd.DataFrame([(cite, ", ".join(names)) for cite, names in rows], columns=["reference", "estimators"])


def counts(results: Results) -> Counter[str]:
    """How the cells, training runs and experiments ended."""
    ended = [each.status for each in (*results.curves, *results.outcomes)]
    return Counter([*(e.summary["status"] for e in results.entries), *ended])
