"""Moments to quantities: what the store has of a cell, as the object that `measure --json` prints and reports read."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from gradmark.benchmarks.measurement.bias_test import Known, assess_bias
from gradmark.benchmarks.measurement.coordinates import coordinate_name
from gradmark.benchmarks.measurement.grouping import warm_ups
from gradmark.benchmarks.measurement.moments import Array, Moments
from gradmark.benchmarks.measurement.quantities import (
    NONE_FINITE,
    NOTHING,
    ZERO,
    Quantity,
    positive,
    product,
    root_ratio,
    scaled,
    signed,
    without_interval,
)
from gradmark.benchmarks.measurement.tails import TOO_FEW, assess_tail
from gradmark.benchmarks.measurement.timing_rounds import nested_median
from gradmark.benchmarks.measurement.total_variance import rounding_of, total_variance, why_withheld
from gradmark.benchmarks.store.records import Record

EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}
ROUNDING = 64  # a difference within this many units of rounding is none
COORDINATES_SHOWN = 4096  # `parameters` is left out beyond it


def summarise(record: Record) -> dict[str, Any]:
    """Everything that is known of a cell as plain data; quantities that a refused or missing cell lacks are None."""
    cell, facts = record.cell, record.facts
    summary: dict[str, Any] = {
        "problem": cell.problem,
        "estimator": cell.estimator,
        "num_samples": cell.num_samples,
        "at": cell.at,
        "device": cell.device,
        "dtype": cell.dtype,
        "seed": cell.seed,
        "replicates": None,
        "status": record.status,
        "reason": record.reason,
        "objective": facts.get("objective"),
        "block": facts.get("block"),
        "state": cell.state,
        **{name: facts.get(name) for name in ("family", "reference", "unbiased", "target", "deterministic")},
        **dict.fromkeys(MEASURED),
    }
    if record.status == "measured" and record.blocks:
        summary |= _measured(record) | {"engine": _engine(record.blocks)}
    return summary


MEASURED = (
    "warm_ups", "engine", "parameters", "total_variance", "variance_by_parameter", "noise", "mean_squared_error", "snr",
    "bias", "cosine", "wrong_signs", "nonfinite", "tail", "cost", "variance_times_evaluations",
    "work_normalised_variance",
)  # fmt: skip


def _measured(record: Record) -> dict[str, Any]:
    moments, exact = record.moments, record.exact
    deterministic = bool(record.facts["deterministic"]) and moments.replicates == 1
    known = record.facts.get("exact_variance")
    total = ZERO if deterministic else total_variance(moments, known)
    why = None if deterministic else why_withheld(moments, known)
    none = NONE_FINITE if moments.nonfinite == moments.replicates else None
    seconds = nested_median(record.timing["seconds"]) if record.timing else NOTHING
    snr = root_ratio(moments.square_norms - moments.traces[:, 0], moments.traces[:, 0])
    tail = assess_tail(moments.deviations, bool(known and known["value"] is not None), rounding_of(moments))
    return {
        "replicates": moments.replicates,
        "warm_ups": _warm_ups(record),
        "parameters": _parameters(moments, exact, record.facts["shapes"]),
        "total_variance": total.json() | _exactly(known),
        "variance_by_parameter": {
            name: (ZERO if deterministic else without_interval(positive(moments.traces[:, 1 + column]), why)).json()
            for column, name in enumerate(record.facts["shapes"])
        },
        "noise": _noise(moments, total, why),
        "mean_squared_error": without_interval(positive(moments.squared_errors), why).json(),
        "snr": without_interval(snr, why).json()
        | {"reason": None if snr.value is not None else none or why or "no noise"},
        "bias": _bias(record, deterministic),
        "cosine": _cosine(moments, exact, why),
        "wrong_signs": without_interval(signed(moments.wrong_signs), why if why == TOO_FEW else None).json(),
        "nonfinite": moments.nonfinite,
        "tail": asdict(tail),
        "cost": _cost(record.timing, seconds),
        "variance_times_evaluations": _at_equal_evaluations(total, record.timing).json(),
        "work_normalised_variance": product(total, seconds).json(),
    }


def _warm_ups(record: Record) -> int | None:
    """How many warm-ups of a baseline the replicates rest on; None for a cell that has none."""
    return warm_ups(record.blocks[0].replicates, len(record.blocks)) if record.cell.state == "warm" else None


def _engine(blocks: list[Moments]) -> str:
    """How the gradients were made: with weights that each replicate has of its own, or that all replicates share."""
    shared = {each.shared == each.replicates for each in blocks}
    return "both" if len(shared) > 1 else "shared weights" if shared.pop() else "lifted weights"


def _cosine(moments: Moments, exact: Array | None, why: str | None) -> dict[str, Any]:
    """The mean cosine with the exact gradient over the replicates that have a direction; why there is none, if so."""
    quantity = without_interval(signed(moments.cosines), why if why == TOO_FEW else None)
    reason = None
    if quantity.value is None:
        if exact is None:
            reason = "the exact gradient is not known"
        elif moments.nonfinite == moments.replicates:
            reason = NONE_FINITE
        elif not exact.any():
            reason = "the exact gradient is zero, and has no direction"
        else:
            reason = f"{moments.undirected} of {moments.replicates} gradients are zero, and have no direction"
    return quantity.json() | {"reason": reason, "undirected": moments.undirected}


def _exactly(known: dict[str, Any] | None) -> dict[str, Any]:
    """The exact total variance, the error of its quadrature and the reason where it is not known.

    For a warm baseline, what it is given (`exact_given`): a mean over warm-ups, with the standard error of that.
    """
    if known is None:
        known = {"reason": "measured by a version that did not ask"}
    names = {"exact": "value", "exact_error": "error", "exact_given": "given", "exact_stderr": "stderr"}
    return {name: known.get(key) for name, key in names.items()} | {"not_exact": known["reason"]}


def variance(moments: Moments) -> Array:
    """The variance of one estimate, `[P]`; under a minibatch the pairs' means and what they average out, together."""
    if moments.units < 2:
        return np.zeros_like(moments.mean)
    between = moments.second / (moments.units - 1)
    return between + moments.within / moments.units / 2 if moments.paired else between


def _parameters(moments: Moments, exact: Array | None, shapes: dict[str, list[int]]) -> dict[str, Any] | None:
    """Mean, its standard error, variance and exact gradient of every coordinate, in the parameters' shapes."""
    if len(moments.mean) != sum(math.prod(shape) for shape in shapes.values()) or not moments.units:
        return None
    between = moments.second / max(moments.units - 1, 1)
    columns = {"mean": moments.mean, "stderr": np.sqrt(between / moments.units), "variance": variance(moments)}
    parameters: dict[str, Any] = {}
    start = 0
    for name, shape in shapes.items():
        stop = start + math.prod(shape)
        parameters[name] = {key: value[start:stop].reshape(shape).tolist() for key, value in columns.items()}
        parameters[name]["exact"] = None if exact is None else exact[start:stop].reshape(shape).tolist()
        start = stop
    return parameters


def _noise(moments: Moments, total: Quantity, why: str | None) -> dict[str, Any]:
    """The noise of the estimator given the rows, the noise of the minibatch, and both."""
    if not moments.paired:
        return {"estimator": total.json(), "minibatch": None, "both": total.json()}
    within = moments.within_traces[:, 0]
    minibatch = without_interval(signed(moments.traces[:, 0] - within), why)
    own = without_interval(positive(within), why if within.any() else None)  # an exact gradient has no noise of its own
    return {"estimator": own.json(), "minibatch": minibatch.json(), "both": total.json()}


def _bias(record: Record, deterministic: bool) -> dict[str, Any]:
    """The test of bias, with the worst coordinate by name; rounding is in units of the largest number involved."""
    early, exact = record.early, record.exact
    objective = (record.facts.get("objective") or {}).get("value") or 0.0
    scales = [abs(objective), float(np.abs(early.mean).max(initial=0.0))]
    scales += [0.0 if exact is None else float(np.abs(exact).max(initial=0.0))]
    scales += [math.sqrt(float(early.second.max(initial=0.0)) / max(early.units, 1))]
    rounding = ROUNDING * EPSILON[record.cell.dtype] * max(scales)
    sizes = [math.prod(shape) for shape in record.facts["shapes"].values()]
    known = Known(max(scales), sizes, _exact_variance(record))
    bias = asdict(assess_bias(early, exact, rounding, deterministic, known))
    if bias["coordinate"] is not None:
        bias["coordinate"] = coordinate_name(bias["coordinate"], record.facts["shapes"])
    return bias | {"replicates": early.replicates}


def _exact_variance(record: Record) -> float | None:
    """The exact total variance; None where it is not known, or replicates share rows."""
    known = record.facts.get("exact_variance") or {"value": None}
    return None if record.early.paired else known["value"]


def _at_equal_evaluations(total: Quantity, timing: dict[str, Any] | None) -> Quantity:
    """The total variance times the forward evaluations of an estimate; nothing where these are not counted, or none."""
    count = timing["forward"] if timing else None
    return scaled(total, count) if count else NOTHING


def _cost(timing: dict[str, Any] | None, seconds: Quantity) -> dict[str, Any]:
    if timing is None:
        return {"forward": None, "backward": None, "seconds": NOTHING.json(), "peak_memory_bytes": None}
    counted = {name: timing[name] for name in ("forward", "backward", "peak_memory_bytes")}
    return {**counted, "seconds": seconds.json(), "threads": timing["threads"]}
