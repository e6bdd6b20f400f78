"""As many cores as threads: a library that takes all the cores it sees is then compared at the same number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cores(count: int) -> Iterator[None]:
    """Keep this thread, and those that it starts, on `count` cores; it does nothing where the system cannot."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-count:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
