"""How annotated shapes are checked under pytest: beartype everywhere but in constructors.

A check takes longer than many a function that it checks. So the first CALLS calls that each test makes of a function
are checked, and the others, which may be thousands, are not.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

from beartype import beartype
from beartype._check.code import codemain

CALLS = 5

# beartype looks at one item of a list, chosen by a generator: its own, as the tests watch Python's
codemain.getrandbits = random.Random(0).getrandbits  # pyright: ignore[reportPrivateImportUsage]


class Checks:
    """Which functions have been checked often enough in this test, and are left alone until the next one."""

    def __init__(self) -> None:
        self.calls: dict[int, int] = {}
        self.unchecked: set[Any] = set()

    def start_test(self) -> None:
        """Check every function again."""
        for function in self.unchecked:
            del function.__no_type_check__
        self.calls, self.unchecked = {}, set()

    def count(self, function: Callable[..., Any]) -> None:
        """Count a call, and have no further call checked where they have been enough."""
        made = self.calls[id(function)] = self.calls.get(id(function), 0) + 1
        if made != CALLS:
            return
        wrapper = _wrapper(function)
        if wrapper is not None:
            wrapper.__no_type_check__ = True  # jaxtyping calls such a function as it is
            self.unchecked.add(wrapper)


CHECKS = Checks()


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """beartype's check, except of a spec's constructor, which coerces its fields and says itself what it cannot."""
    if function.__name__ == "__init__":
        return function
    check = beartype(function)

    def counted(*args: Any, **kwargs: Any) -> Any:
        CHECKS.count(check)
        return check(*args, **kwargs)

    return counted


def _wrapper(function: Any) -> Any:
    """What jaxtyping has put where a function was, by its qualified name; None where it is not found."""
    found: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = vars(found).get(name) if hasattr(found, "__dict__") else None
    found = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
    return found if hasattr(found, "__wrapped__") else None
