"""The grammar of a spec: `Name(field=1.0)`, `package.module.Name()`, `folder/file.py:Name()`; text to plain data.

A spec is parsed as calls and literals and is never run. What is neither is BadInput, with the reason.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gradmark.benchmarks.errors import BadInput, shortened

LONGEST = 100_000  # characters of a spec
LARGEST = 2**63  # whole numbers are those of 64 bits

# A string literal is skipped, so that what looks like a file inside one stays text
_STRING = r'"""[\s\S]*?"""' r"|'''[\s\S]*?'''" r'|"(?:\\.|[^"\\\n])*"' r"|'(?:\\.|[^'\\\n])*'"
_CLASS = r"(?P<{}>\s*:\s*[^\W\d]\w*(?:\.[^\W\d]\w*)*(?=\s*\())"
_QUOTED = r'"(?P<quoted>(?:\\.|[^"\\\n])*\.py)"' + _CLASS.format("of_quoted")
_BARE = r"(?P<bare>[^\n\"'()\[\]{}=,:#]+)" + _CLASS.format("of_bare") + "?"
_FILE = re.compile(f"{_QUOTED}|{_STRING}|{_BARE}")


@dataclass(frozen=True)
class Call:
    """A class that a spec names, and what it is called with: literals, tuples of values and calls."""

    name: str  # as it is looked up: `Name`, `package.module.Name`; in `file`, the class alone
    file: str | None = None
    arguments: tuple[Any, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def spelled(self) -> str:
        """The name as it was typed."""
        return self.name if self.file is None else f"{self.file}:{self.name}"

    def __str__(self) -> str:
        """The text of the call, as the object that it makes spells itself when no field is a default."""
        fields = (f"{name}={_spelled(value)}" for name, value in self.fields.items())
        return f"{self.spelled}({', '.join([*map(_spelled, self.arguments), *fields])})"

    def calls(self) -> Iterator[Call]:
        """This call and all calls inside it."""
        yield self
        for value in (*self.arguments, *self.fields.values()):
            yield from _inside(value)


def _inside(value: Any) -> Iterator[Call]:
    if isinstance(value, Call):
        yield from value.calls()
    elif isinstance(value, tuple):
        for item in value:
            yield from _inside(item)


def _spelled(value: Any) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_spelled, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value) if isinstance(value, Call) else repr(value)


def parse(text: str) -> Call:
    """The call that `text` spells; BadInput with the reason where it spells none."""
    if len(text) > LONGEST:
        raise BadInput(f"a spec has at most {LONGEST} characters, not {len(text)}")
    files: dict[str, str] = {}
    try:
        node = _expression(_without_files(text.strip(), files))
        if not isinstance(node, ast.Call):
            raise BadInput(f"a spec is a call; write {shortened(text.strip().split('(')[0], 60) or 'Name'}()")
        return _call(node, files)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadInput("not a spec; write a call such as Name() or Name(field=1.0)") from None


def _expression(text: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's parser warns of an unknown escape, such as \\d
        return ast.parse(text, mode="eval").body


def _without_files(text: str, files: dict[str, str]) -> str:
    """The text with a plain name for each file, as Python's grammar knows no `file.py:Class`; `files` has the rest."""
    unused = (name for number in itertools.count() if (name := f"file_{number}") not in text)

    def plain(found: re.Match[str]) -> str:
        if found["of_quoted"] is not None:
            space, path, cls = "", ast.literal_eval(f'"{found["quoted"]}"'), found["of_quoted"]
        elif found["of_bare"] is not None and found["bare"].endswith(".py"):
            path, cls = found["bare"].lstrip(), found["of_bare"]
            space = found["bare"].removesuffix(path)
        else:
            return found[0]
        name = next(unused)
        files[name] = path
        return f"{space}{name}.{cls.strip().lstrip(':').strip()}"

    return _FILE.sub(plain, text)


def _call(node: ast.Call, files: dict[str, str]) -> Call:
    if any(keyword.arg is None for keyword in node.keywords) or any(isinstance(a, ast.Starred) for a in node.args):
        raise BadInput("* and ** are not allowed in a spec; write the fields out")
    first, _, rest = (name := _dotted(node.func)).partition(".")
    file = files.get(first)
    arguments = tuple(_value(each, files) for each in node.args)
    names = [keyword.arg for keyword in node.keywords]
    if len(set(names)) < len(names):
        raise BadInput(f"a field is given twice: {shortened(', '.join(map(str, names)), 80)}; keep one")
    fields = {keyword.arg or "": _value(keyword.value, files) for keyword in node.keywords}
    return Call(name if file is None else rest, file, arguments, fields)


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise BadInput(f"{_part(node)} is not a name; write Name(), package.module.Name() or file.py:Name()")
    return ".".join([node.id, *reversed(parts)])


def _value(node: ast.expr, files: dict[str, str]) -> Any:
    if isinstance(node, ast.Call):
        return _call(node, files)
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_value(item, files) for item in node.elts)
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd) and _is_number(node.operand):
        node = node.operand
    if not isinstance(node, ast.Constant) or type(node.value) not in (int, float, str, bool, type(None)):
        raise BadInput(f"{_part(node)} is not a literal; a spec holds calls, numbers, strings, tuples")
    value: Any = node.value
    if type(value) is int and value >= LARGEST:
        raise BadInput("a whole number of a spec is below 2**63; write a float, such as 1e30")
    return -value if negative else value


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _part(node: ast.expr) -> str:
    try:
        return shortened(repr(ast.unparse(node)), 80)
    except (ValueError, RecursionError):
        return f"a part of it ({type(node).__name__})"
