"""What a run and its worker process tell each other: records as a line of JSON and then bytes. Nothing is pickled."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from gradmark.benchmarks.cells import Cell, Inquiry, Training
from gradmark.benchmarks.execution.prepare import Known, PointRefusal
from gradmark.benchmarks.execution.work import Failed, Round
from gradmark.benchmarks.measurement.moments import Moments
from gradmark.benchmarks.training.points import Refusal

RECORDS = {cls.__name__: cls for cls in (Cell, Training, Inquiry, Refusal, PointRefusal, Failed, Known, Round)}
TAG = "$"  # the name under which a JSON object says what it stands for


def encode(value: Any) -> bytes:
    """Plain data, and the records above within it, as bytes; TypeError for anything else."""
    blobs: list[bytes] = []
    tree = _packed(value, blobs)
    return b"".join([json.dumps([tree, [len(blob) for blob in blobs]]).encode(), b"\n", *blobs])


def decode(message: bytes) -> Any:
    """What `encode` was given; lists for tuples."""
    line, _, rest = message.partition(b"\n")
    tree, sizes = json.loads(line)
    blobs, start = [], 0
    for size in sizes:
        blobs.append(rest[start : start + size])
        start += size
    return _unpacked(tree, blobs)


def _packed(value: Any, blobs: list[bytes]) -> Any:
    if isinstance(value, bytes):
        blobs.append(value)
        return {TAG: "bytes", "number": len(blobs) - 1}
    if isinstance(value, Moments):
        return {TAG: "Moments", "of": _packed(value.to_bytes(), blobs)}
    if isinstance(value, np.ndarray):
        return {TAG: "array", "of": _packed(value.astype("<f8").tobytes(), blobs)}
    if is_dataclass(value) and type(value).__name__ in RECORDS:
        packed = {field.name: _packed(getattr(value, field.name), blobs) for field in fields(value)}
        return {TAG: type(value).__name__, "fields": packed}
    if isinstance(value, dict):
        return {TAG: "dict", "items": [[str(name), _packed(each, blobs)] for name, each in value.items()]}
    if isinstance(value, list | tuple):
        return [_packed(each, blobs) for each in value]
    return value


def _unpacked(tree: Any, blobs: list[bytes]) -> Any:
    if isinstance(tree, list):
        return [_unpacked(each, blobs) for each in tree]
    if not isinstance(tree, dict):
        return tree
    kind = tree[TAG]
    if kind == "bytes":
        return blobs[tree["number"]]
    if kind == "Moments":
        return Moments.from_bytes(_unpacked(tree["of"], blobs))
    if kind == "array":
        return np.frombuffer(_unpacked(tree["of"], blobs), dtype="<f8")
    if kind == "dict":
        return {name: _unpacked(each, blobs) for name, each in tree["items"]}
    return RECORDS[kind](**{name: _unpacked(each, blobs) for name, each in tree["fields"].items()})
