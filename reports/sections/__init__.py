"""The experiments' sections: one file a class of experiment, rows in, text and figures out; found by its name."""

from __future__ import annotations

import importlib
import pkgutil
import re
from types import ModuleType

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout.elements import Block, heading
from gradmark.reports.results.parts import experiment_class


def blocks(outcomes: list[Outcome]) -> list[Block]:
    """A section for each class of experiment, in the order of the study.

    A section is a function `blocks(outcomes, key)` of the experiments of that class; labels and the names of figures
    begin with `key`.
    """
    by_class: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_class.setdefault(experiment_class(outcome), []).append(outcome)
    page: list[Block] = []
    for name, of_class in by_class.items():
        key = snake(name).replace("_", "-")
        page += [heading(1, of_class[0].facts["title"], key), *section(name).blocks(of_class, key)]
    return page


def snake(text: str) -> str:
    """A class's name as a module's."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text).lower()


def section(text: str) -> ModuleType:
    """The module that draws the experiments of a class; plain tables for those that have none."""
    known = {module.name for module in pkgutil.iter_modules(__path__)}  # a store is anybody's, and so are its names
    return importlib.import_module(f"{__name__}.{snake(text) if snake(text) in known else 'plain'}")
