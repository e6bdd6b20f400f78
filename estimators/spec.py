"""What problems, estimators and solvers have in common: fields that are literals, and a text that is the object."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
import types
import typing
from abc import ABC
from functools import cache
from typing import Any, ClassVar

from gradmark.estimators.references import cited

PLAIN = re.compile(r"[\w./~+@-]+")  # a file's name that needs no quotes
LARGEST = 2**63  # whole numbers are those of 64 bits


class Spec(ABC):
    """A frozen dataclass of literals: its fields are its identity, its text what is typed to get it.

    The text leaves out fields at their default, so that `resolve(str(x)) == x` and the text is short enough to be a
    table's row label and a figure's legend. Built-in classes print by name, all others by their dotted path, or by
    their file where that path does not lead to them.
    """

    reference: ClassVar[str]  # title, authors, year, link: the entry of the key that the docstring's `Reference:` names

    def __init_subclass__(cls) -> None:
        cls.reference = cited(cls.__doc__ or "")

    def __post_init__(self) -> None:
        hints = types_of(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, field.name)
            object.__setattr__(
                self, field.name, _coerced(value, hints[field.name], f"{type(self).__name__}({field.name}=…)")
            )
        self.validate()

    def validate(self) -> None:
        """Raise ValueError where a field's value makes no sense; a hook, empty by default."""

    def __str__(self) -> str:
        cls = type(self)
        if not dataclasses.is_dataclass(cls):
            raise TypeError(
                f"{cls.__name__} is no dataclass: put @dataclass(frozen=True) above it, as a spec is its fields"
            )
        fields = [f for f in dataclasses.fields(self) if getattr(self, f.name) != f.default]  # type: ignore[arg-type]
        arguments = ", ".join(f"{f.name}={_literal(getattr(self, f.name))}" for f in fields)
        return f"{_name(cls)}({arguments})"


@cache
def types_of(cls: type) -> dict[str, Any]:
    """The annotated types of a class's fields, by name; evaluating them anew for each object would be slow."""
    return typing.get_type_hints(cls)


def _name(cls: type) -> str:
    """What leads to a class: its name, its dotted path, or its file and its name in it."""
    if cls.__module__.startswith("gradmark."):
        return cls.__name__
    file = getattr(
        sys.modules.get(cls.__module__), "__named_by_file__", None
    )  # set by `gradmark.benchmarks.plugins.files`
    if file is None:
        return f"{cls.__module__}.{cls.__qualname__}"
    return f"{file if PLAIN.fullmatch(file) else _literal(file)}:{cls.__qualname__}"


def _coerced(value: Any, hint: Any, where: str) -> Any:
    """`value` as the annotated type, so that `loc=1` and `loc=1.0` are one cell; ValueError where it cannot be."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _one_of(value, arguments, where)
    if hint is tuple or typing.get_origin(hint) is tuple:
        if not isinstance(value, tuple | list):
            raise ValueError(f"{where}: expected a tuple, got {value!r}")
        kinds = (
            arguments
            if len(arguments) == len(value) and ... not in arguments
            else (arguments or (Any,))[:1] * len(value)
        )
        return tuple(_coerced(item, kind, where) for item, kind in zip(value, kinds, strict=True))
    if typing.get_origin(hint) is typing.Literal:
        if value not in arguments:
            raise ValueError(f"{where}: expected one of {', '.join(map(repr, arguments))}, got {value!r}")
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = _number(value, hint, where)
    expected = object if hint is Any else typing.get_origin(hint) or hint
    if not isinstance(expected, type):
        raise ValueError(f"{where}: a field is a number, a string, a tuple or a spec, and not {hint!r}")
    if not isinstance(value, expected) or (isinstance(value, bool) and expected not in (bool, object)):
        raise ValueError(f"{where}: expected {expected.__name__}, got {value!r}")
    return value


def _one_of(value: Any, hints: tuple[Any, ...], where: str) -> Any:
    """`value` as the first of several types that fits."""
    if value is None and type(None) in hints:
        return None
    faults = []
    for hint in hints:
        if hint is not type(None):
            try:
                return _coerced(value, hint, where)
            except ValueError as fault:
                faults.append(fault)
    raise faults[0]


def _number(value: int | float, hint: Any, where: str) -> int | float:
    """A whole number where a float is expected is one; -0.0 is 0.0, and NaN, infinity and 2**63 are no values."""
    if isinstance(value, int):
        if abs(value) >= LARGEST:
            raise ValueError(f"{where}: expected a whole number below 2**63 in size; write a float, such as 1e30")
        return float(value) if hint is float else value
    if not math.isfinite(value):
        raise ValueError(f"{where}: expected a finite number, got {value!r}")
    return float(value) + 0.0


def _literal(value: Any) -> str:
    """The text of one field: double quotes, so that a spec survives single-quoted shells."""
    if isinstance(value, str):
        return '"' + "".join(map(_escaped, value)) + '"'
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_literal, value)) + ("," if len(value) == 1 else "") + ")"
    return str(value) if isinstance(value, Spec) else repr(value)


def _escaped(character: str) -> str:
    """A character in a string's text: line ends, quotes, and whatever does not print or encode, as an escape."""
    if character == '"':
        return '\\"'
    return character if character.isprintable() and character != "\\" else character.encode("unicode_escape").decode()
