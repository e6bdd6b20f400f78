"""Formulas as docstrings write them, in Unicode, turned into MathML: a page then needs no script and no web font.

A docstring's formula reads well in an editor: `g = 1/K Σ_k [ cost(z_k) s(z_k) ]`. Letters become variables, `_` a
subscript, `²` a power, `1/K` a fraction, `√(…)` a root, words stay words. Anything else is copied as it stands.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from html import escape
from inspect import cleandoc
from itertools import pairwise

TOKEN = re.compile(
    r" +|`[^`]*`|\d+(?:\.\d+)?"
    r"|(?<![A-Za-z])d(?=[a-z](?![A-Za-z]))"  # the d of dz
    r"|[^\W\d_][\u0300-\u036f]+|[A-Za-z]+(?:[-'][a-z]+)*|.",
    re.DOTALL,
)
APART = re.compile(r"(?<=,) {3,}")  # two equations on one line
POWERS = {"²": "2", "³": "3"}
HALVES = {"½": ("1", "2"), "¼": ("1", "4")}
LARGE = {"Σ": "∑", "Π": "∏"}
ACCENTS = {"\u0304": "¯", "\u0303": "~", "\u0302": "^"}
CLOSED_BY = {"(": ")", "{": "}", "[": "]"}
OPERATORS = "=+−·∝≤≥<>≠≈~←→∈|‖()[]{},;:/…′*∂∇"
TIGHT = "|‖/()[]{}∂∇′…"  # operators that a formula's own spaces set apart, if anything does


def mathml(block: str) -> str:
    """The lines of a formula as one displayed `<math>` element, a row for each line, and for each equation of it."""
    lines = [part for line in block.split("\n") for part in APART.split(line)]
    rows = "".join(f"<mtr><mtd>{_row(TOKEN.findall(line))}</mtd></mtr>" for line in lines)
    return (
        f'<math display="block" class="formula"><mtable columnalign="left" displaystyle="true">{rows}</mtable></math>'
    )


def prose(text: str) -> str:
    """Running text of a docstring as Markdown: subscripts and powers are set as such outside code."""
    return _outside_code(
        text, lambda part: _scripts(part.replace("&", "&amp;").replace("<", "&lt;").replace("[", r"\["))
    )


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if number % 2 else change(part) for number, part in enumerate(parts))


def _scripts(text: str) -> str:
    raised = re.sub(r"\^(\w+)", r"<sup>\1</sup>", text)
    wide = re.sub(r"(?<=[^\W\d_])([\u0300-\u036f]?)_\{([^}]*)\}", r"\1<sub>\2</sub>", raised)
    return re.sub(
        r"(?<![^\W\d_]{2})(?<=[^\W_])([\u0300-\u036f]?)_([^\W_](?:_[^\W_])?′?)(?![^\W_])", r"\1<sub>\2</sub>", wide
    )


def _row(tokens: list[str]) -> str:
    """The tokens as one `<mrow>`."""
    found: list[str] = []
    while tokens:
        found.append(_scripted(tokens))
    return f"<mrow>{''.join(found)}</mrow>"


def _scripted(tokens: list[str]) -> str:
    """The next symbol with its subscript and its power."""
    large = tokens[0] in LARGE
    base = _symbol(tokens)
    below = _subscript(tokens) if len(tokens) > 1 and tokens[0] == "_" else ""
    above = f"<mn>{POWERS[tokens.pop(0)]}</mn>" if tokens and tokens[0] in POWERS else ""
    if large and below:
        return f"<munder>{base}{below}</munder>"
    if below and above:
        return f"<msubsup>{base}{below}{above}</msubsup>"
    if below or above:
        return f"<{'msub' if below else 'msup'}>{base}{below or above}</{'msub' if below else 'msup'}>"
    return base


def _subscript(tokens: list[str]) -> str:
    tokens.pop(0)
    if tokens[0] == "{":
        return _row(_group(tokens))
    base = _symbol(tokens)
    if tokens and tokens[0] in ("′", "'"):
        return f"<mrow>{base}{_operator(tokens.pop(0))}</mrow>"
    return base


def _group(tokens: list[str]) -> list[str]:
    """Takes a bracketed group off the tokens, and returns what is between its brackets."""
    first = tokens.pop(0)
    last, depth, inside = CLOSED_BY[first], 1, list[str]()
    while tokens:
        token = tokens.pop(0)
        depth += (token == first) - (token == last)
        if not depth:
            break
        inside.append(token)
    return inside


def _symbol(tokens: list[str]) -> str:
    """The next symbol without its scripts."""
    token = tokens.pop(0)
    if token.isspace():
        return _space(len(token), tokens)
    if token[0].isdigit():
        return _number(token, tokens)
    if token in HALVES:
        return "<mfrac displaystyle='false'><mn>{}</mn><mn>{}</mn></mfrac>".format(*HALVES[token])
    if token == "√" and tokens:
        return f"<msqrt>{_row(_group(tokens)) if tokens[0] == '(' else _scripted(tokens)}</msqrt>"
    if token in LARGE:
        return f"<mo>{LARGE[token]}</mo>"
    if token.startswith("`") and len(token) > 1:
        return f"<mtext>{escape(token.strip('`'))}</mtext>"
    return _operator(token) if token in OPERATORS else _letters(token)


def _number(token: str, tokens: list[str]) -> str:
    """A number, or the fraction that it is the numerator of."""
    if len(tokens) > 1 and tokens[0] == "/" and (tokens[1] == "(" or (len(tokens[1]) == 1 and tokens[1].isalpha())):
        tokens.pop(0)
        below = _row(_group(tokens)) if tokens[0] == "(" else _symbol(tokens)
        return f"<mfrac><mn>{token}</mn>{below}</mfrac>"
    return f"<mn>{token}</mn>"


def _letters(token: str) -> str:
    """A variable, a variable with an accent, or a word."""
    if len(token) == 1:
        return f"<mi>{escape(token)}</mi>"
    if unicodedata.combining(token[1]):
        return f'<mover accent="true"><mi>{token[0]}</mi><mo>{ACCENTS.get(token[1], token[1])}</mo></mover>'
    return f"<mtext>{escape(token)}</mtext>"


def _operator(token: str) -> str:
    spacing = ' lspace="0" rspace="0"' if token in TIGHT else ""
    return f'<mo stretchy="false"{spacing}>{escape(token)}</mo>'


def _space(width: int, tokens: list[str]) -> str:
    """The space between two symbols: wide where the docstring's is, else as wide as a word's."""
    if not tokens:
        return ""
    return f'<mspace width="{2.0 if width > 3 else 1.0 if width > 1 else 0.2}em"/>'


def is_formula(paragraph: str) -> bool:
    """Whether a docstring's paragraph is a formula: all of its lines are indented by four spaces."""
    return all(line.startswith("    ") for line in paragraph.split("\n"))


def paragraphs(docstring: str) -> list[str]:
    """The paragraphs of a docstring, where a formula that follows a line of text is one of its own."""
    lines = docstring.split("\n")
    cut = [lines[0]]
    for before, line in pairwise(lines):
        indented = line.startswith("    ")
        if line.strip() and before.strip() and indented != before.startswith("    "):
            cut.append("")
        cut.append(line)
    return [part.strip("\n") for part in re.split(r"\n\s*\n", "\n".join(cut)) if part.strip()]


def formulas_as_mathml(page: str) -> str:
    """A page whose indented blocks are formulas; what stands between fences stays code."""
    parts = re.split(r"(^```.*?^```$)", page, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if number % 2 else _set(part) for number, part in enumerate(parts))


def _set(text: str) -> str:
    parts = re.split(r"(?<=\n\n)((?: {4}\S.*\n)+)(?=\n|$)", text)
    return "".join(
        mathml(cleandoc(part)) + "\n" if number % 2 else _outside_code(part, _scripts)
        for number, part in enumerate(parts)
    )
