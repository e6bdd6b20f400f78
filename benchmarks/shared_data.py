"""Tensors that are made once and shared by all cells: a cell that writes to them is detected."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class _Made(NamedTuple):
    """What a function made, and the checksum that it had then."""

    name: str
    made: Any
    checksum: int


_made: list[_Made] = []
_caches: list[Callable[[], None]] = []  # what forgets all that a function made


def shared(make: Callable[P, T]) -> Callable[P, T]:
    """A function whose tensors are made once for each call, and are looked at again by `written`."""

    @functools.cache
    def made(*arguments: Any, **named: Any) -> T:
        found = make(*arguments, **named)
        arguments_text = ", ".join(map(str, (*arguments, *named.values())))
        _made.append(_Made(f"{make.__module__}.{make.__name__}({arguments_text})", found, _checksum(found)))
        return found

    _caches.append(made.cache_clear)
    functools.update_wrapper(made, make)
    return made  # type: ignore[return-value]  # the cache has the function's own parameters


def written() -> list[str]:
    """The shared tensors that are not as they were made. All are made anew from here on, where there are any."""
    found = [each.name for each in _made if _checksum(each.made) != each.checksum]
    if found:
        _made.clear()
        for forget in _caches:
            forget()
    return found


def _checksum(made: Any) -> int:
    """Of all bytes; fast, as it guards against accidents only."""
    from torch import Tensor  # here only, as lists of data sets need none
    from torch.utils._pytree import tree_leaves

    total = 0
    for value in tree_leaves(made):
        if isinstance(value, Tensor) and not value.is_meta:  # which has a shape and no numbers
            total = zlib.crc32(value.detach().cpu().contiguous().numpy().data.cast("B"), total)
    return total
