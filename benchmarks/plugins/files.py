"""The module in a file that a spec names: `file.py:Class`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import keyword
import sys
from pathlib import Path
from types import ModuleType

from gradmark.benchmarks.errors import BadInput, shortened
from gradmark.benchmarks.plugins.folder import begin, current, folders, note, search
from gradmark.benchmarks.plugins.foreign_code import guarded
from gradmark.benchmarks.plugins.imported_files import GRADMARK, file_of, is_plugin_file
from gradmark.benchmarks.plugins.packages import installed, located, submodule

NAME = "__named_by_file__"  # the file by which a module's classes print, as its own name alone does not lead to them


def module_in(text: str) -> ModuleType:
    """The module in a file, under its plain name where that is free, so that it is the one that others import."""
    source = current()
    base = (source.folder or Path.cwd()).resolve()
    path, inside = _path(text, base)
    loaded = [name for name, module in list(sys.modules.items()) if file_of(module) == path and name != "__main__"]
    if not loaded:
        root = base if inside else next(each for each in path.parents if not (each / "__init__.py").is_file())
        name = _plain_name(path, root)
        shown = path.relative_to(base).as_posix() if inside else str(path)
        loaded = [_imported(path, root, name, shown, prints=name is None or not inside)]
    note(loaded[0], sys.modules[loaded[0]])
    return sys.modules[loaded[0]]


def _path(text: str, base: Path) -> tuple[Path, bool]:
    """The file, and whether it lies in the folder of plug-ins; BadInput where it may not be loaded or is not there."""
    source = current()
    try:
        path = (base / text).resolve()
        there = path.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, a loop of links
        raise BadInput(f"{shortened(repr(text), 80)} cannot be the name of a file") from None
    inside = source.folder is not None and path.is_relative_to(base)
    if not (inside or source.typed):
        raise BadInput(f"{shortened(repr(text), 80)} is not in the study's folder of plug-ins; {source.remedy}")
    if not there:
        raise BadInput(f"there is no file {shortened(repr(text), 80)} in {base}")
    if any(path.is_relative_to(folder) for folder in GRADMARK):
        raise BadInput(f"{shortened(repr(text), 80)} is gradmark's own; write the name of its class alone")
    return path, inside


def _plain_name(path: Path, root: Path) -> str | None:
    """The name under which the file would be imported with `root` on the path; None where that is another module's."""
    parts = [*path.relative_to(root).parts[:-1], *([] if path.name == "__init__.py" else [path.stem])]
    if not parts or not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        return None
    top = parts[0]
    if top in sys.stdlib_module_names or top in sys.modules or installed(top, [*folders(), root]) is not None:
        return None
    spec = located(top, [root])
    for count in range(2, len(parts) + 1):
        spec = submodule(".".join(parts[:count]), spec) if spec is not None else None
    found = spec is not None and spec.origin is not None and Path(spec.origin).resolve() == path
    return ".".join(parts) if found else None


def _imported(path: Path, root: Path, name: str | None, shown: str, prints: bool) -> str:
    """Import the file and return its module's name; `prints`: its classes print as `file.py:Class`.

    Then what it imports from its own folder prints so, too, as its plain name alone does not lead to it.
    """
    begin()
    search(root)
    before = set(sys.modules)
    with guarded(f"importing {shown!r}"):
        if name is not None:
            importlib.import_module(name)
        else:
            name = _executed(path)
    folder = current().folder
    elsewhere = folder is None or root != folder.resolve()
    for each in set(sys.modules) - before if prints and elsewhere else ():
        file = file_of(sys.modules[each])
        if file is not None and file.is_relative_to(root) and is_plugin_file(file):
            setattr(sys.modules[each], NAME, str(file))
    if prints:
        setattr(sys.modules[name], NAME, shown)
    return name


def _executed(path: Path) -> str:
    """Run a file as a module with a unique name, and return the name."""
    digest = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:8]
    name = f"{path.stem if path.stem.isidentifier() else 'file'}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "the file's name ends in .py"
    assert spec.loader is not None, "as every spec made for a file"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return name
