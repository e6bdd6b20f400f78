"""The files behind a class, gradmark's own and those of plug-ins, each with a digest; nothing is imported.

Of gradmark's own modules those count that a class is from, or that its modules import. Docstrings, comments and blank
lines do not count.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gradmark.benchmarks.plugins import modules as plugins
from gradmark.benchmarks.plugins.imported_files import file_of

OWN = "gradmark"
FOLDERS = ("estimators", "benchmarks")  # that labels of gradmark's own files begin with
ROOT = Path(__file__).resolve().parents[2]  # holds the three folders of gradmark
NEUTRAL = frozenset(
    {"gradmark.benchmarks.errors", "gradmark.benchmarks.specs", "gradmark.benchmarks.plugins.modules"}
)  # they compute no number
LIBRARIES = frozenset({"torch", *sys.stdlib_module_names})
LONGEST = 255  # characters of a string that may name a file


class Source(NamedTuple):
    """A file: its digest, what it imports as (module, name), and the strings in a plug-in that may name files."""

    path: Path
    digest: str
    imports: tuple[tuple[str, str | None], ...]
    strings: tuple[str, ...]


@cache
def files_of(cls: type) -> dict[str, Source]:
    """The files behind a class, by the name that a message gives them. A class stays as it was loaded: read once."""
    found: dict[str, Source] = {}
    modules = [base.__module__ for base in cls.__mro__ if base.__module__.partition(".")[0] not in LIBRARIES]
    others = [name for name in modules if name.partition(".")[0] != OWN]
    own = [file for name in others if (file := file_of(sys.modules.get(name))) is not None]
    for path in dict.fromkeys((*plugins.source_files(cls), *own)):
        label = _short(path, cls)
        found[label] = read(path, "")
        for module, name in found[label].imports:
            _follow(module, name, found)
    for name in modules:
        _follow(name, None, found)
    return found


def _short(path: Path, cls: type) -> str:
    """A plug-in's file, named from the folder that its package is in, wherever that lies."""
    file = file_of(sys.modules.get(cls.__module__))
    above = cls.__module__.count(".") + (file is not None and file.name == "__init__.py")
    folder = file.parents[min(above, len(file.parents) - 1)] if file is not None else path.parent
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


@cache
def modules(names: tuple[str, ...]) -> dict[str, Source]:
    """The files of these modules of ours, by name, without what they import."""
    return {_label(name, path): read(path, name) for name in names if (path := _path(name)) is not None}


def _follow(module: str, name: str | None, found: dict[str, Source]) -> None:
    """Add the file of a module of ours and of what it imports; of a package, only where an imported name is from."""
    module, name = (f"{module}.{name}", None) if name and _path(f"{module}.{name}") else (module, name)
    path = _path(module)
    if path is None or module in NEUTRAL or _label(module, path) in found:
        return
    source = read(path, module)
    origins = [each for each in source.imports if name is not None and each[1] == name and each[0] != module]
    if path.name == "__init__.py" and origins:
        _follow(*origins[0], found)
        return
    found[_label(module, path)] = source
    for each in source.imports:
        _follow(*each, found)


def _path(module: str) -> Path | None:
    """The file of a module of ours; None for all others."""
    if not module.startswith(f"{OWN}."):
        return None
    path = ROOT.joinpath(*module.split(".")[1:])
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


def _label(module: str, path: Path) -> str:
    return module.removeprefix(f"{OWN}.").replace(".", "/") + ("/__init__.py" if path.name == "__init__.py" else ".py")


_kept: dict[Path, tuple[tuple[int, int], Source]] = {}


def read(path: Path, module: str) -> Source:
    """A file's digest, imports and strings; read again where it changed. `module` is its name, for relative imports."""
    stat = path.stat()
    stamp = (stat.st_mtime_ns, stat.st_size)
    if path not in _kept or _kept[path][0] != stamp:
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        _kept[path] = stamp, _source(path, package)
    return _kept[path][1]


def _source(path: Path, package: str) -> Source:
    raw = path.read_bytes()
    try:
        tree, text = ast.parse(raw), raw.decode()
    except (SyntaxError, ValueError):
        return Source(path, hashlib.sha256(raw).hexdigest()[:32], (), ())
    documented = list(_docstrings(tree))
    lines = text.splitlines()
    for first, last in documented:
        lines[first - 1 : last] = [""] * (last - first + 1)
    quoted = text.count('"""') + text.count("'''") > 2 * len(documented)  # a long string may hold lines like comments
    if not quoted:
        lines = [line.rstrip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
    strings = () if package else tuple(_file_names(tree))  # none of ours names a file
    return Source(path, digest, tuple(_imports(tree, package)), strings)


def _file_names(tree: ast.AST) -> list[str]:
    """The strings that may name files, in order."""
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return sorted(each for each in strings if 2 < len(each) <= LONGEST and "." in each and "\n" not in each)


def _docstrings(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """First and last line of each docstring that has its lines to itself."""
    for node in (tree, *_statements(tree)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first, start = node.body[0], getattr(node, "lineno", 0)
            text = first.value if isinstance(first, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str) and first.lineno > start:
                later = node.body[1].lineno if node.body[1:] else (first.end_lineno or 0) + 1
                if later > (first.end_lineno or 0):
                    yield first.lineno, first.end_lineno or first.lineno


def _imports(tree: ast.AST, package: str) -> Iterator[tuple[str, str | None]]:
    for node in _run_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ((base, None if alias.name == "*" else alias.name) for alias in node.names)


def _run_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement but those for type checkers only."""
    for node in _below(tree):
        checked = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        yield node
        for inner in node.orelse if checked and isinstance(node, ast.If) else [node]:
            yield from _run_nodes(inner)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement, at any depth; expressions are not looked into, which takes most of the time of `ast.walk`."""
    for node in _below(tree):
        yield node
        yield from _statements(node)


def _below(node: ast.AST) -> Iterator[ast.AST]:
    """The statements of a statement or a module, and its handlers and cases, which hold further ones."""
    for name in ("body", "handlers", "orelse", "finalbody", "cases"):
        yield from getattr(node, name, ())
