"""SIGTERM ends a command as Ctrl-C does: at once, with a complete store, and one line on stderr."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM; whatever passes Ctrl-C on passes this on."""


@contextmanager
def as_interrupt() -> Iterator[None]:
    """Raise Terminated where SIGTERM arrives; signals can be handled in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise(number: int, frame: FrameType | None) -> None:
    raise Terminated
