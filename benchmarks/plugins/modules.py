"""Plug-ins: classes from outside gradmark, named `module.Class` or `file.py:Class`.

A module comes from the folder of plug-ins or from an installed package, never from the standard library, and the folder
never hides what is installed. What is loaded is looked at by whoever asked, before anything of it is called.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gradmark.benchmarks import spec_text
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.plugins.files import module_in
from gradmark.benchmarks.plugins.folder import Source as Source
from gradmark.benchmarks.plugins.folder import begin, current, drop, folders, is_plugin, loaded, note, search
from gradmark.benchmarks.plugins.folder import use as use
from gradmark.benchmarks.plugins.folder import using as using
from gradmark.benchmarks.plugins.foreign_code import guarded
from gradmark.benchmarks.plugins.imported_files import file_of, is_plugin_file, with_imports
from gradmark.benchmarks.plugins.packages import (
    installed,
    is_namespace,
    located,
    made_for_gradmark,
    names_of_plugins,
    submodule,
)

if TYPE_CHECKING:
    from gradmark.estimators.spec import Spec

OWN = "gradmark"  # the package that is not a plug-in


def load(name: str, file: str | None = None) -> Any:
    """What `module.Class`, or `Class` in `file`, names. It is not called; BadInput where it cannot be loaded."""
    importlib.invalidate_caches()  # a file may be younger than what Python remembers of its folder
    if file is None:
        path, attributes = _split(name)
        module = _imported(path)
    else:
        module, attributes = module_in(file), name.split(".")
    found: Any = module
    for attribute in attributes:  # as it is stored: no __getattr__ runs, neither a module's nor a metaclass's
        scopes = type.__dict__["__mro__"].__get__(found) if isinstance(found, type) else (found,)
        spaces = [vars(scope) for scope in scopes if isinstance(scope, type | ModuleType)]
        holders = [space for space in spaces if attribute in space]
        if not holders:
            raise BadInput(f"the module {module.__name__!r} has no {'.'.join(attributes)!r}")
        found = holders[0][attribute]
    return found


def loaded_modules() -> list[dict[str, str]]:
    """The modules from outside gradmark that specs named, and what was imported with them outside site-packages."""
    named = loaded().named
    files = {
        name: file_of(module) for name, module in list(sys.modules.items()) if name in named or is_plugin(name, module)
    }
    return [
        {"module": name, "file": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        for name, file in sorted(files.items())
        if file is not None and file.is_file()
    ]


def comes_from_outside(spec: Spec | type | str) -> bool:
    """Whether a class, a spec or one in its fields is not gradmark's own; of a text, what it names, without an import.

    BadInput where a text is not a spec.
    """
    if isinstance(spec, str):
        return any(call.file is not None or _is_outside(call.name) for call in spec_text.parse(spec).calls())
    if isinstance(spec, type):
        return spec.__module__.partition(".")[0] != OWN
    from gradmark.estimators.spec import Spec  # torch: only where there is a spec

    inside = [value for value in _flat(vars(spec).values()) if isinstance(value, Spec)]
    return comes_from_outside(type(spec)) or any(map(comes_from_outside, inside))


def source_files(cls: type) -> list[Path]:
    """The files that a class is made of: its own, its bases' and what these import, but not installed packages'."""
    modules = [sys.modules.get(base.__module__) for base in cls.__mro__ if comes_from_outside(base)]
    return with_imports([module for module in modules if is_plugin_file(file_of(module))])


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        yield from _flat(value) if isinstance(value, tuple) else (value,)


def _is_outside(name: str) -> bool:
    top, dot, _ = name.partition(".")
    return top != OWN if dot else name in names_of_plugins()


def _split(name: str) -> tuple[str, list[str]]:
    """The module and the names in it that a dotted name spells, found without an import."""
    parts = name.split(".")
    spec, known = _find(parts[0], name), 1
    while known < len(parts) - 1:
        path = ".".join(parts[: known + 1])
        spec = submodule(path, spec) if spec is not None else None
        if spec is None and path not in sys.modules:
            break
        known += 1
    if "__main__" in parts[1:known]:
        raise BadInput(f"{'.'.join(parts[:known])!r} is a program and is not imported; name the module of the class")
    return ".".join(parts[:known]), parts[known:]


def _find(top: str, name: str) -> ModuleSpec | None:
    """Where the top-level module `top` lies; None where it is loaded and has no file. BadInput where it may not be."""
    if top in sys.stdlib_module_names:
        raise BadInput(f"{top!r} is of Python's standard library, which holds no plug-ins; name a class of your own")
    source = current()
    inside = located(top, [source.folder]) if source.folder is not None else None
    elsewhere = sys.modules[top].__spec__ if top == OWN else installed(top, folders())
    if elsewhere is not None:
        if inside is not None and not is_namespace(inside) and inside.origin != elsewhere.origin:
            raise BadInput(f"{top!r} is in {source.folder} and is an installed package, too; {_by_file(name)}")
        if not source.typed and top != OWN and not made_for_gradmark(top):
            raise BadInput(f"a study imports only packages that require gradmark, and not {top!r}; {source.remedy}")
        return elsewhere
    inside = inside or located(top, folders())
    if inside is None and not (source.typed and top in sys.modules):
        where = "and there is no folder of plug-ins" if source.folder is None else f"nor is it in {source.folder}"
        raise BadInput(f"cannot import {top!r}: it is not installed, {where}; {source.remedy}")
    if inside is not None and top in sys.modules and not _is_at(sys.modules[top], inside):
        drop(top)  # of another folder, that was in use before
    return inside


def _by_file(name: str) -> str:
    module, _, cls = name.rpartition(".")
    return f"write {module.replace('.', '/')}.py:{cls}(), or rename yours"


def _is_at(module: ModuleType, spec: ModuleSpec) -> bool:
    """Whether a loaded module is the one that lies there."""
    if spec.origin is not None:
        return file_of(module) == Path(spec.origin).resolve()
    here = {Path(each).resolve() for each in getattr(module, "__path__", ())}
    return bool(here & {Path(each).resolve() for each in spec.submodule_search_locations or ()})


def _imported(path: str) -> ModuleType:
    """The module `path`, imported where it is not loaded yet."""
    top, folder = path.partition(".")[0], current().folder
    if top == OWN:
        with guarded(f"importing {path!r}"):
            return importlib.import_module(path)
    begin()
    if folder is not None and located(top, [folder]) is not None and installed(top, folders()) is None:
        search(folder, first=True)
    if path not in sys.modules:
        with guarded(f"importing {path!r}"):
            importlib.import_module(path)
    note(path, sys.modules[path])
    return sys.modules[path]
