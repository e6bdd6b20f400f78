"""The statements of a module, for tests that need no expressions: half of the time of `ast.walk`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

BLOCKS = (ast.stmt, ast.excepthandler, ast.match_case)  # what has statements of its own


def statements(source: str) -> Iterator[ast.AST]:
    """Every statement, those in functions, classes and branches included."""
    left: list[ast.AST] = [ast.parse(source)]
    while left:
        inner = [child for child in ast.iter_child_nodes(left.pop()) if isinstance(child, BLOCKS)]
        yield from inner
        left += inner
