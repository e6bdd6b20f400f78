"""Installed packages: where a module would be imported from, without importing it, and which are made for gradmark."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from pathlib import Path

LOADERS = ((ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceFileLoader, SOURCE_SUFFIXES))


@cache
def listed(kind: str) -> tuple[EntryPoint, ...]:
    """What installed packages add to the catalogue of `kind`: the entry points of the group `gradmark.<kind>s`."""
    return tuple(entry_points(group=f"gradmark.{kind}s"))


@cache
def names_of_plugins() -> set[str]:
    """The names of everything that installed packages add to gradmark."""
    groups = [group for group in entry_points().groups if group.startswith("gradmark.")]
    return {point.name for group in groups for point in entry_points(group=group)}


@cache
def made_for_gradmark(package: str) -> bool:
    """Whether an installed package says that it is for gradmark: it requires it, or has an entry point for it."""
    return any(_is_for_gradmark(found) and package in _packages(found) for found in distributions())


def _is_for_gradmark(found: Distribution) -> bool:
    required = {re.split(r"[^A-Za-z0-9._-]", text.strip(), maxsplit=1)[0].lower() for text in found.requires or []}
    return "gradmark" in required or any(point.group.startswith("gradmark.") for point in found.entry_points)


def _packages(found: Distribution) -> set[str]:
    """The top-level packages and modules of a distribution: Python lists those of all, which takes half a second."""
    listed = (found.read_text("top_level.txt") or "").split()
    sources = [file for file in found.files or () if file.suffix == ".py"]
    return set(listed) or {file.parts[0].removesuffix(".py") for file in sources}


def located(name: str, folders: Iterable[Path]) -> ModuleSpec | None:
    """Where the top-level module `name` lies in one of `folders`, or None; a folder without files of Python is none."""
    return PathFinder.find_spec(name, [str(folder) for folder in folders])


def installed(name: str, apart_from: Iterable[Path]) -> ModuleSpec | None:
    """Where the top-level module `name` would be imported from, were the folders `apart_from` not on the path.

    Of the finders that packages install, only those of editable installs are asked: others may do things when asked.
    """
    hidden = {folder.resolve() for folder in apart_from}
    paths = [each for each in sys.path if Path(each).resolve() not in hidden]
    editable = [finder for finder in sys.meta_path if "editable" in getattr(finder, "__module__", "")]
    for found in (PathFinder.find_spec(name, paths), *(finder.find_spec(name, None) for finder in editable)):
        if found is not None and not is_namespace(found) and _home(found) not in hidden:
            return found
    return None


def submodule(name: str, parent: ModuleSpec) -> ModuleSpec | None:
    """Where the module `name` lies in the package `parent`, or None. The parent is not imported for it."""
    found = None
    for folder in parent.submodule_search_locations or ():
        found = FileFinder(folder, *LOADERS).find_spec(name)
        if found is not None and found.loader is not None:
            return found
    return found


def is_namespace(spec: ModuleSpec) -> bool:
    """Whether a module is a folder without an `__init__.py`."""
    return spec.origin is None and spec.submodule_search_locations is not None


def _home(spec: ModuleSpec) -> Path | None:
    """The folder in which a top-level module lies."""
    if spec.origin is None or not spec.has_location:
        return None
    path = Path(spec.origin).resolve().parent
    return path if spec.submodule_search_locations is None else path.parent
