"""How much each published study holds, counted from its text: no problem and no estimator is imported."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from gradmark.benchmarks import specs
from gradmark.benchmarks.cli import catalogue
from gradmark.benchmarks.studies.study import Grid, shipped

AXES = ("problems", "at", "num_samples", "devices", "dtypes")  # of a grid, beside its estimators
USUAL = {name: field.default for name, field in Grid.model_fields.items()}


def studies() -> list[dict[str, Any]]:
    """Every published study: its title, and how many cells, training runs and experiments it has, each counted once."""
    return [_counted(name) for name in shipped()]


def _counted(name: str) -> dict[str, Any]:
    content = _content(name)
    parts = [content, *map(_content, content.get("include", []))]
    return {
        "name": name,
        "title": content["title"],
        "cells": len({cell for part in parts for cell in _cells(part)}),
        "trainings": len({run for part in parts for run in _trainings(part)}),
        "experiments": len({(_seed(part), text) for part in parts for text in part.get("experiments", [])}),
    }


@cache
def _content(name: str) -> dict[str, Any]:
    return tomllib.loads(shipped()[name].read_text(encoding="utf-8"))


def _seed(part: Mapping[str, Any]) -> int:
    return part.get("seed", 0)


def _cells(part: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """Whatever makes one cell another one than the next."""
    for grid in part.get("variance", []):
        rule = (_seed(part), grid.get("replicates"), grid.get("rel_ci"))
        axes = [grid.get(axis, USUAL[axis]) for axis in AXES]
        for point in itertools.product(*axes, grid["estimators"]):
            yield from ((*point, *rule, state) for state in _states(point[-1]))


def _trainings(part: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    for runs in part.get("convergence", []):
        rest = tuple(str(value) for key, value in sorted(runs.items()) if key not in ("problems", "solvers"))
        yield from ((*pair, *rest, _seed(part)) for pair in itertools.product(runs["problems"], runs["solvers"]))


def _states(estimator: str) -> tuple[str, ...]:
    """The states that a method of the catalogue is measured in."""
    return specs.STATEFUL if _keeps_state()[estimator.partition("(")[0]] else specs.STATELESS


@cache
def _keeps_state() -> dict[str, bool]:
    return {row["name"]: bool(row["state"]) for row in catalogue.estimators()}
