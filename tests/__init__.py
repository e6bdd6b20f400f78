"""How annotated shapes are checked under pytest: beartype everywhere but in constructors."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from beartype import beartype
from beartype._check.code import codemain

# beartype looks at one item of a list, chosen by a generator: its own, as the tests watch Python's
codemain.getrandbits = random.Random(0).getrandbits  # pyright: ignore[reportPrivateImportUsage]


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """beartype's check, except of a spec's constructor, which coerces its fields and says itself what it cannot."""
    return function if function.__name__ == "__init__" else beartype(function)
