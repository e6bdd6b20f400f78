"""The source files behind a module: its own and those of what it imports, except installed packages."""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from gradmark.benchmarks.plugins.packages import installed, located, submodule

PYTHON = Path(sysconfig.get_path("stdlib")).resolve()
GRADMARK = [Path(__file__).resolve().parents[2] / room for room in ("gradmark", "estimators", "benchmarks", "reports")]


def file_of(module: ModuleType | None) -> Path | None:
    """The file of a module, or None where it has none."""
    file = getattr(module, "__file__", None)
    return _resolved(file) if isinstance(file, str) else None


@cache
def _resolved(file: str) -> Path:
    return Path(file).resolve()  # slow, and asked for every module that is loaded


def is_plugin_file(file: Path | None) -> bool:
    """Whether a file is neither of an installed package nor Python's nor gradmark's."""
    if file is None or not file.is_absolute() or {"site-packages", "dist-packages"} & set(file.parts):
        return False
    return not any(file.is_relative_to(folder) for folder in (PYTHON, *GRADMARK))


def with_imports(modules: Iterable[ModuleType | None]) -> list[Path]:
    """The files of modules and of all that they import, in their functions, too, sorted; of those not installed.

    Read from their texts, so that it does not depend on what has been imported so far.
    """
    found: dict[Path, str] = {}
    waiting = [(module.__name__, file) for module in modules if module and (file := file_of(module))]
    while waiting:
        name, file = waiting.pop()
        if file not in found and is_plugin_file(file):
            found[file] = name
            waiting += [(each, path) for each in _imports(name, file) if (path := _located(each)) is not None]
    return sorted(found)


def _located(name: str) -> Path | None:
    """The file of a module that may not be loaded yet, found without an import."""
    if name in sys.modules:
        return file_of(sys.modules[name])
    top, *rest = name.split(".")
    spec = located(top, map(Path, sys.path)) or installed(top, ())
    for count in range(len(rest)):
        spec = submodule(".".join([top, *rest[: count + 1]]), spec) if spec is not None else None
    return Path(spec.origin).resolve() if spec is not None and spec.origin is not None and spec.has_location else None


def _imports(module: str, file: Path) -> Iterator[str]:
    """The names of the modules that a module's text imports, and of the packages that they lie in."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):  # a compiled module, or a file that has gone since
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, file, node)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _absolute(module: str, file: Path, node: ast.ImportFrom) -> str:
    """The module that `from … import` names in the file of `module`, `.` and `..` resolved."""
    if not node.level:
        return node.module or ""
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    kept = package[: len(package) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])
