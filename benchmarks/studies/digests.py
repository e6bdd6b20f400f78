"""What a cell, a training run, an experiment and a parameter point are made with, as it is now."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from gradmark.benchmarks import data, specs
from gradmark.benchmarks.cells import Cell, Inquiry, Training
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.plugins import class_files
from gradmark.benchmarks.store.codes import Code

MEASURING = (  # draw, warm up, fold
    "gradmark.benchmarks.measurement.block",
    "gradmark.benchmarks.measurement.fold",
    "gradmark.benchmarks.measurement.gram",
    "gradmark.benchmarks.measurement.grouping",
    "gradmark.benchmarks.measurement.moments",
    "gradmark.benchmarks.execution.prepare",
)
TRAINING = (
    "gradmark.benchmarks.measurement.block",
    "gradmark.benchmarks.training.convergence",
)  # how a run is seeded and evaluated
FINDING = (
    "gradmark.benchmarks.measurement.block",
    "gradmark.benchmarks.training.points",
    "gradmark.benchmarks.training.solvers",
)  # how a parameter point is found


def of_study(
    cells: Iterable[Cell], trainings: Iterable[Training], inquiries: Iterable[Inquiry]
) -> dict[Cell | Training | Inquiry, Code]:
    """The code of everything that a study asks for."""
    problem, estimator = cache(specs.problem), cache(specs.estimator)
    codes: dict[Cell | Training | Inquiry, Code] = {}
    for cell in cells:
        finding = () if cell.at == "init" else FINDING
        codes[cell] = _code([problem(cell.problem), estimator(cell.estimator)], (*MEASURING, *finding))
    for run in trainings:
        codes[run] = _code([problem(run.problem), specs.solver(run.solver)], TRAINING)
    for inquiry in inquiries:
        codes[inquiry] = _code([specs.experiment(inquiry.experiment)], ())
    return codes


def of_point(problem: Any) -> Code:
    """The code that a parameter point of a problem is found with."""
    return _code([problem], FINDING)


def _code(objects: list[Any], ours: tuple[str, ...]) -> Code:
    files, named = dict(class_files.modules(ours)), dict[str, str]()
    for each in objects:
        for part in _parts(each):
            files |= class_files.files_of(type(part))
            named |= _data(part)
    digests = {label: source.digest for label, source in files.items()} | named
    return Code(_version("gradmark"), torch.__version__, dict(sorted(digests.items())))


def _parts(value: Any) -> Iterator[Any]:
    """An object and those in its fields, at any depth; a text that spells an estimator or a solver is one, too."""
    if isinstance(value, tuple | list):
        for each in value:
            yield from _parts(each)
    elif isinstance(value, str):
        yield from _spelled(value)
    elif dataclasses.is_dataclass(value):
        yield value
        for field in dataclasses.fields(value):
            yield from _parts(getattr(value, field.name))


def _spelled(text: str) -> Iterator[Any]:
    if text.endswith(")"):
        for resolve in (specs.estimator, specs.solver):
            try:
                yield from _parts(resolve(text))
            except BadInput:
                continue
            return


def _data(part: Any) -> dict[str, str]:
    """The digests of the files that an object's fields or its own source name, and checksums of data sets."""
    texts = [getattr(part, field.name) for field in dataclasses.fields(part)]
    named = {text: Path(text) for text in texts if isinstance(text, str) and 0 < len(text) <= class_files.LONGEST}
    digests = {f"data {name}": data.DATA_SETS[name].checksum for name in named if name in data.DATA_SETS}
    for label, source in class_files.files_of(type(part)).items():
        if not label.startswith(tuple(f"{each}/" for each in class_files.FOLDERS)):
            beside = {text: source.path.parent / text for text in source.strings}
            named |= {text: Path(text) if Path(text).is_file() else path for text, path in beside.items()}
    return digests | {name: digest for name, path in named.items() if (digest := _file(path)) is not None}


_kept: dict[Path, tuple[tuple[int, int], str]] = {}


def _file(path: Path) -> str | None:
    """The digest of a file, read again where it changed; None where there is none."""
    try:
        if not path.is_file():
            return None
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        if path not in _kept or _kept[path][0] != stamp:
            with path.open("rb") as file:
                _kept[path] = stamp, hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except (OSError, ValueError):  # a text that cannot be a path
        return None
    return _kept[path][1]


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
