"""What problems, estimators and solvers have in common: fields that are literals, and a text that is the object."""

from __future__ import annotations

import dataclasses
import math
import typing
from abc import ABC
from typing import Any, ClassVar


class Spec(ABC):
    """A frozen dataclass of literals: its fields are its identity, its text what is typed to get it.

    The text leaves out fields at their default, so that `resolve(str(x)) == x` and the text is short enough to be a
    table's row label and a figure's legend. Built-in classes print by name, all others by their dotted path.
    """

    reference: ClassVar[str]  # title, authors, year: read from the docstring's `Reference:`

    def __init_subclass__(cls) -> None:
        _, _, cited = (cls.__doc__ or "").partition("Reference:")
        cls.reference = " ".join(cited.partition("\n\n")[0].split()).removesuffix(".")

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
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
        builtin = cls.__module__.split(".")[0] in ("estimators", "benchmarks")
        fields = [f for f in dataclasses.fields(self) if getattr(self, f.name) != f.default]  # type: ignore[arg-type]
        arguments = ", ".join(f"{f.name}={_literal(getattr(self, f.name))}" for f in fields)
        return f"{cls.__name__ if builtin else f'{cls.__module__}.{cls.__qualname__}'}({arguments})"


def _coerced(value: Any, hint: Any, where: str) -> Any:
    """`value` as the annotated type, so that `loc=1` and `loc=1.0` are one cell; ValueError where it cannot be."""
    options = [h for h in typing.get_args(hint) if h is not type(None)]
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, tuple | list):
            raise ValueError(f"{where}: expected a tuple, got {value!r}")
        return tuple(_coerced(item, options[0], where) for item in value)
    if type(None) in typing.get_args(hint):
        return None if value is None else _coerced(value, options[0], where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    expected = typing.get_origin(hint) or hint
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise ValueError(f"{where}: expected {getattr(expected, '__name__', expected)}, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where}: expected a finite number, got {value!r}")
    return value


def _literal(value: Any) -> str:
    """The text of one field: double quotes, so that a spec survives single-quoted shells."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_literal, value)) + ("," if len(value) == 1 else "") + ")"
    return str(value) if isinstance(value, Spec) else repr(value)
