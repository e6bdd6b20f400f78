"""Specs at random: right ones of every class of the catalogues, and what somebody may type instead."""

from __future__ import annotations

import dataclasses
import random
import types
import typing
from typing import Any

from gradmark.benchmarks import specs
from gradmark.estimators.spec import Spec

KINDS = ("estimator", "problem", "solver", "experiment")
STRINGS = (
    "", "cos", "mnist-5k", "C:\\new\\table.csv", 'a"b', "a'b", "line\nline", "tab\t", "é", "∇ log q", "\u2028",
    "\x00", "\ud800", "a.py:X()", "x" * 500,
)  # fmt: skip
FLOATS = (0.0, -0.0, 0.1, 1.0, -2.5, 1e-300, 5e-324, 1e300, 0.30000000000000004, 123456789.123456789)
INTEGERS = (0, 1, 2, 3, 8, -1, 100, 2**31, 2**62, -(2**63) + 1)
HOSTILE = (
    'os.system("touch pwned")', 'subprocess.Popen(("touch", "pwned"))', "builtins.exec(\"open('pwned', 'w')\")",
    "shutil.rmtree('.')", "torch.hub.load('a', 'b')", "gradmark.benchmarks.__main__.main()", "pip.__main__.X()",
    "antigravity.X()", "{1, 2}", "{}", "{'a': 1}", "b'bytes'", "1j", "1 + 2j", "f'{1}'", "...", "None", "True", "nan",
    "inf", "1e999", "-1e999", "-0.0", "9" * 400, "9" * 5000, "0x" + "f" * 5000, "1_000", "0b101", "lambda: 1",
    "[x for x in y]", "(x := 1)", "x[0]", "x.y", "*x", "**x", "not 1", "~1", "- -1", "'\\ud800'", '"\\N{BULLET}"',
    '"\\d"', "r'\\d'", "'''a\nb'''", "\ud800", "\x00", "(" * 150 + ")" * 150, "[" * 80 + "]" * 80,
    "(" * 80 + "1," + "),"[:1] * 80, "-" * 2000 + "1", "a" + ".a" * 2000 + "()", "x" * 5000, "'" + "x" * 5000 + "'",
    "(1,) * 3", "yield", "await x", "print()", "é()", "LeaveOneOut", "file.py:X()", '"a b.py":X()', "no.such.Thing()",
    "//etc/passwd.py:X()", "# comment", "\n", "\r", "\t", "\\", ";", "=", ",", "\ufeff",
)  # fmt: skip


def spec(draw: random.Random, kind: str, depth: int = 0) -> str:
    """A spec of a class of the catalogue, with some of its fields; its values may make no sense."""
    name, cls = draw.choice(list(specs.catalogue(kind).items()))
    hints = typing.get_type_hints(cls)
    fields = [field for field in dataclasses.fields(cls) if field.init]
    needed = [field for field in fields if field.default is dataclasses.MISSING]
    chosen = [field for field in fields if field in needed or draw.random() < 0.3]
    return f"{name}({', '.join(f'{each.name}={value(draw, hints[each.name], depth)}' for each in chosen)})"


def value(draw: random.Random, hint: Any, depth: int) -> str:
    """The text of a value of the annotated type."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return value(draw, draw.choice(arguments), depth)
    if typing.get_origin(hint) is tuple:
        items = [value(draw, arguments[0], depth) for _ in range(draw.randrange(4))]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if isinstance(hint, type) and issubclass(hint, Spec):
        kind = next(
            kind for kind in specs.CATALOGUES if hint in specs.base(kind).__mro__ or issubclass(hint, specs.base(kind))
        )
        return spec(draw, kind, depth + 1) if depth < 3 else "LeaveOneOut()"
    if hint is bool:
        return draw.choice(("True", "False"))
    if hint is int:
        return repr(draw.choice(INTEGERS))
    if hint is float:
        return repr(draw.choice((*FLOATS, draw.uniform(-3, 3), draw.randrange(5))))
    return repr(draw.choice(STRINGS)) if hint is str else "None"


def mistyped(draw: random.Random, text: str) -> str:
    """The text with a few parts replaced, left out, doubled or hostile."""
    for _ in range(draw.randrange(1, 4)):
        first, last = sorted((draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)))
        last = min(last, first + draw.choice((0, 1, 5, 100)))
        other = draw.choice(
            (draw.choice(HOSTILE), chr(draw.randrange(0x3000)), text[first:last] * 2, "", ")", "(", '"')
        )
        text = text[:first] + other + text[last:]
    return text


def hostile(draw: random.Random, text: str) -> str:
    """A hostile part instead of the spec, of one of its values, or as an additional field."""
    other = draw.choice(HOSTILE)
    before, equals, after = text.partition("=")
    return draw.choice(
        (other, f"{before}{equals}{other}, {after}" if equals else other, f"{text[:-1]}{other})", f"X({other})")
    )


def text(draw: random.Random, kind: str) -> str:
    """A right spec, one mistyped, or a hostile one."""
    right = spec(draw, kind)
    change = draw.random()
    return right if change < 0.3 else hostile(draw, right) if change < 0.6 else mistyped(draw, right)
