"""The folders that specs may load code from, and the modules that they have loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from gradmark.benchmarks.plugins.imported_files import file_of, is_plugin_file


@dataclass(frozen=True)
class Source:
    """From where the specs that are read now may load code."""

    folder: Path | None  # of plug-ins; None: there is none
    typed: bool = True  # by the user: any file and any installed package; else what a study file may name
    tell: Callable[[str], object] = lambda line: (
        None
    )  # gets a line for each module that a spec names, once: where it lies
    remedy: str = "pass --plugins FOLDER, or write file.py:Class()"  # where a module is not there
    attempt: Callable[[str, str], str | None] = lambda kind, text: None  # what is wrong with a spec, found elsewhere


@dataclass
class Loaded:
    """What one source has loaded."""

    source: Source | None = None  # None: the current folder, as for what is typed
    folders: list[Path] = field(default_factory=list)  # that were put at the end of sys.path
    before: frozenset[str] = frozenset()  # the modules that were there before the first plug-in
    named: dict[str, None] = field(default_factory=dict)  # the modules that specs asked for, in order


_stack = [Loaded()]


def loaded() -> Loaded:
    """What the source in use has loaded."""
    return _stack[-1]


def current() -> Source:
    """The source in use: the current folder, where none was chosen."""
    return loaded().source or Source(Path.cwd())


def use(source: Source) -> None:
    """Read specs with `source` from now on, until this process ends."""
    _stack.append(Loaded(source))


@contextmanager
def using(source: Source) -> Iterator[None]:
    """Read specs with `source` in the block; what was loaded is forgotten after it, as another may name the same."""
    _stack.append(Loaded(source))
    try:
        yield
    finally:
        forget(_stack.pop())


def folders() -> list[Path]:
    """The folders that never hide an installed package: the source's own, and those of files that it loaded."""
    own = current().folder
    return [folder for each in _stack for folder in each.folders] + ([] if own is None else [own])


def begin() -> None:
    """Remember which modules there were before the first plug-in."""
    if not loaded().before:
        loaded().before = frozenset(sys.modules)


def search(folder: Path, first: bool = False) -> None:
    """Let plug-ins import each other: their folder goes to the end of the path, so that it hides nothing installed.

    `first`: before the other folders of plug-ins there.
    """
    resolved = folder.resolve()
    if resolved not in {Path(each).resolve() for each in sys.path}:
        ours = {str(each) for known in _stack for each in known.folders}
        end = min((index for index, path in enumerate(sys.path) if path in ours), default=len(sys.path))
        sys.path.insert(end if first else len(sys.path), str(resolved))
        loaded().folders.append(resolved)


def note(name: str, module: ModuleType) -> None:
    """A spec has named this module: say so, once."""
    if name not in loaded().named:
        loaded().named[name] = None
        current().tell(f"plug-in {name} from {file_of(module) or 'no file'}")


def is_plugin(name: str, module: ModuleType) -> bool:
    """Whether a module came with a plug-in: it is younger than the first, and not an installed package's."""
    known = loaded()
    return bool(known.named) and name not in known.before and is_plugin_file(file_of(module))


def drop(top: str) -> None:
    """Forget a top-level module and what lies in it."""
    for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
        del sys.modules[name]


def forget(known: Loaded) -> None:
    """Take from the path and from the loaded modules what a source put there."""
    if not known.folders:
        return
    for name, module in [each for each in sys.modules.items() if each[0] not in known.before]:
        file = file_of(module)
        if file is not None and any(map(file.is_relative_to, known.folders)) and is_plugin_file(file):
            drop(name)
    sys.path[:] = [each for each in sys.path if not each or Path(each) not in known.folders]
