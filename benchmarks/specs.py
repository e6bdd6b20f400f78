"""Text to object and back: `LeaveOneOut()`, `Minibatch(GaussianVAE(latents=2), size=100)`, `my.module.Mine(k=3)`.

A spec is parsed as calls and literals and is never run: it is data. Names are looked up in the catalogues and in the
entry-point groups of installed packages; a dotted name is imported as `package.module.Class`.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import importlib
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmarks.errors import BadInput

if TYPE_CHECKING:
    from benchmarks.experiment import Experiment
    from benchmarks.solvers import Solver
    from estimators.core import Estimator, Problem

CATALOGUES = {
    "estimator": "estimators",
    "problem": "benchmarks.problems",
    "solver": "benchmarks.solvers",
    "experiment": "benchmarks.experiments",
    "schedule": "benchmarks.diffusion.schedules",
    "target": "benchmarks.diffusion.targets",
}


def names(kind: str) -> list[str]:
    """What the catalogue of `kind` (a key of CATALOGUES) lists, installed plug-ins included, in order."""
    return [*_module(kind).__all__, *(point.name for point in _plugins(kind))]


def catalogue(kind: str) -> dict[str, type]:
    """Name to class, in the catalogue's order."""
    return {name: _class(kind, name) for name in names(kind)}


def estimator(text: str) -> Estimator:
    """The estimator that `text` spells; BadInput where it spells none."""
    return _resolve("estimator", text)


def problem(text: str) -> Problem:
    """The problem that `text` spells; BadInput where it spells none."""
    return _resolve("problem", text)


def solver(text: str) -> Solver:
    """The solver that `text` spells; BadInput where it spells none."""
    return _resolve("solver", text)


def experiment(text: str) -> Experiment:
    """The experiment that `text` spells; BadInput where it spells none."""
    return _resolve("experiment", text)


def called(kind: str, text: str) -> str:
    """The name that a spec calls, perhaps dotted, without looking it up; BadInput where it is no spec."""
    node = _parse(kind, text)
    assert isinstance(node, ast.Call), "_parse lets nothing else pass"
    return _dotted(kind, node.func, text)


def _resolve(kind: str, text: str) -> Any:
    found = _build(kind, _parse(kind, text), text)
    base = kind.capitalize()
    if not any(cls.__name__ == base for cls in type(found).__mro__):
        raise BadInput(f"{kind} {text!r}: {type(found).__name__} is no {base}; `gradmark list {kind}s` shows them")
    return found


def _parse(kind: str, text: str) -> ast.expr:
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadInput(f"{kind} {text!r}: not a spec; write a call such as Name() or Name(field=1.0)") from None
    if not isinstance(node, ast.Call):
        raise BadInput(f"{kind} {text!r}: a spec is a call; write {text.strip().split('(')[0] or 'Name'}()")
    return node


def _build(kind: str, node: ast.expr, text: str) -> Any:
    """The object of a call node, its arguments built first; everything that is no call or literal is refused."""
    if not isinstance(node, ast.Call):
        return _literal(kind, node, text)
    cls = _find(kind, _dotted(kind, node.func, text), text)
    if any(keyword.arg is None for keyword in node.keywords) or any(isinstance(a, ast.Starred) for a in node.args):
        raise BadInput(f"{kind} {text!r}: * and ** are not allowed in a spec; write the fields out")
    arguments = [_build(kind, argument, text) for argument in node.args]
    fields = {keyword.arg or "": _build(kind, keyword.value, text) for keyword in node.keywords}
    try:
        return cls(*arguments, **fields)
    except TypeError:
        known = ", ".join(field.name for field in dataclasses.fields(cls)) if dataclasses.is_dataclass(cls) else ""
        raise BadInput(f"{kind} {text!r}: {cls.__name__} takes the fields ({known})") from None
    except ValueError as fault:
        raise BadInput(f"{kind} {text!r}: {fault}") from None


def _literal(kind: str, node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_build(kind, item, text) for item in node.elts)
    try:
        return ast.literal_eval(node)
    except ValueError:
        part = ast.unparse(node)
        raise BadInput(
            f"{kind} {text!r}: {part!r} is no literal; a spec holds calls, numbers, strings, tuples"
        ) from None


def _dotted(kind: str, node: ast.expr, text: str) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(kind, node.value, text)}.{node.attr}"
    raise BadInput(f"{kind} {text!r}: {ast.unparse(node)!r} is no name; write Name() or package.module.Name()")


def _find(kind: str, name: str, text: str) -> type:
    for each in (kind, *(other for other in CATALOGUES if other != kind)):
        if name in names(each):
            return _class(each, name)
    if "." in name:
        return _import(kind, name, text)
    near = difflib.get_close_matches(name, names(kind), n=3, cutoff=0.5)
    remedy = f"did you mean {' or '.join(near)}?" if near else f"`gradmark list {kind}s` shows them"
    raise BadInput(f"{kind} {text!r}: no {kind} is called {name}; {remedy}")


def _import(kind: str, name: str, text: str) -> type:
    path, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(path), attribute)
    except ImportError as fault:
        raise BadInput(f"{kind} {text!r}: cannot import {path!r} ({fault}); install it, or run where it lies") from None
    except AttributeError:
        raise BadInput(f"{kind} {text!r}: the module {path!r} has no {attribute!r}") from None


def _class(kind: str, name: str) -> type:
    for point in _plugins(kind):
        if point.name == name:
            return point.load()
    return getattr(_module(kind), name)


def _module(kind: str) -> ModuleType:
    return importlib.import_module(CATALOGUES[kind])


@cache
def _plugins(kind: str) -> Any:
    return entry_points(group=f"gradmark.{kind}s")
