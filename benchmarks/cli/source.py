"""What classes declare, read from their source: importing them imports torch, which takes seconds.

Class bodies hold literals, names of constants, and calls of other classes with such arguments. Nothing is run. A test
holds that the catalogue reads the same from its source as from its classes.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]  # holds the folders `benchmarks` and `estimators`
OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Mult: operator.mul,
    ast.Pow: operator.pow,
}


@dataclass(frozen=True)
class Class:
    """A class of gradmark, as its source declares it."""

    module: str
    node: ast.ClassDef

    @property
    def doc(self) -> str:
        """Its docstring."""
        return ast.get_docstring(self.node) or ""

    def lineage(self) -> Iterator[Class]:
        """The class, its bases in gradmark, and theirs."""
        yield self
        for base in self.node.bases:
            name = base.value if isinstance(base, ast.Subscript) else base
            found = _named(self.module, name.id) if isinstance(name, ast.Name) else None
            if isinstance(found, Class):
                yield from found.lineage()

    def value(self, name: str) -> Any:
        """The class variable `name`; LookupError where none has a value."""
        for each in self.lineage():
            for target, _, value in _assignments(each.node.body):
                if target == name and value is not None:
                    return _evaluated(each.module, value)
        raise LookupError(f"{self.node.name} has no {name}")

    @property
    def has_fields(self) -> bool:
        """Whether its annotated names are fields: of a dataclass or a named tuple."""
        return any("dataclass" in ast.unparse(each) for each in self.node.decorator_list) or any(
            isinstance(base, ast.Name) and base.id == "NamedTuple" for base in self.node.bases
        )

    def fields(self) -> dict[str, Any]:
        """The fields, those of its bases first, with their defaults; `...` where there is none."""
        found: dict[str, Any] = {}
        for each in reversed([each for each in self.lineage() if each.has_fields]):
            for target, annotation, value in _assignments(each.node.body):
                if annotation is not None and "ClassVar" not in ast.unparse(annotation):
                    found[target] = ... if value is None else _evaluated(each.module, value)
        return found


@dataclass(frozen=True)
class Call:
    """A call of a class, with its arguments by the names of the fields."""

    of: Class
    arguments: dict[str, Any]

    def fields(self) -> dict[str, Any]:
        """All fields, with their defaults where the call does not give them."""
        return {**self.of.fields(), **self.arguments}

    def __str__(self) -> str:
        given = ((name, self.arguments[name]) for name in self.of.fields() if name in self.arguments)
        return f"{self.of.node.name}({', '.join(f'{name}={value!r}' for name, value in given)})"

    __repr__ = __str__


def listed(package: str) -> dict[str, Class]:
    """The classes that a package offers in its `__init__`, as `from module import Name as Name`, in order."""
    imports = (node for node in _tree(package).body if isinstance(node, ast.ImportFrom))
    names = [alias.name for node in imports for alias in node.names if alias.asname == alias.name]
    return {name: found for name in names if isinstance(found := _named(package, name), Class)}


@cache
def _tree(module: str) -> ast.Module:
    path = ROOT.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def _assignments(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr | None, ast.expr | None]]:
    """Name, annotation and value of the assignments to single names."""
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node.annotation, node.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, None, node.value


def _named(module: str, name: str) -> Any:
    """The class or constant that a name in a module stands for; None where it is not of gradmark."""
    body = _tree(module).body
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return Class(module, node)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gradmark."):
            alias = next((alias for alias in node.names if (alias.asname or alias.name) == name), None)
            if alias is not None:
                return _named(node.module or "", alias.name)
    values = [value for target, _, value in _assignments(body) if target == name and value is not None]
    return _evaluated(module, values[-1]) if values else None


def _evaluated(module: str, node: ast.expr) -> Any:
    """The value of a literal, a constant's name, or a call of a class; other code as its text."""
    match node:
        case ast.Constant():
            return node.value
        case ast.Tuple() | ast.List():
            return tuple(value for item in node.elts for value in _item(module, item))
        case ast.UnaryOp(op=ast.USub()):
            return -_evaluated(module, node.operand)
        case ast.BinOp() if type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](_evaluated(module, node.left), _evaluated(module, node.right))
        case ast.Name():
            return _named(module, node.id)
        case ast.Call(func=ast.Name(id=name)) if isinstance(of := _named(module, name), Class):
            positional = zip(of.fields(), (_evaluated(module, each) for each in node.args), strict=False)
            named = {each.arg: _evaluated(module, each.value) for each in node.keywords if each.arg}
            return Call(of, {**dict(positional), **named})
        case _:
            return ast.unparse(node)


def _item(module: str, item: ast.expr) -> tuple[Any, ...]:
    """An item of a tuple, or those that a star unpacks."""
    if isinstance(item, ast.Starred):
        return _evaluated(module, item.value)
    return (_evaluated(module, item),)
