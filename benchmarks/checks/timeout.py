"""A clock, and a time limit for code that may never return."""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Protocol


class TimedOut(BaseException):
    """The time is over; `stack` is where. Not an `Exception`, so that code which catches those is interrupted too."""

    def __init__(self, stack: traceback.StackSummary) -> None:
        super().__init__("the time is over")
        self.stack = stack


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TimedOut in the block after `seconds`; does nothing outside the main thread.

    An operation that never returns to Python cannot be stopped this way.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(number: int, frame: FrameType | None) -> None:
        raise TimedOut(traceback.extract_stack(frame))

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Clock(Protocol):
    """A clock for budgets of time: the real one, or a simulated one in tests."""

    def now(self) -> float:
        """Seconds since some fixed moment."""
        ...

    def limited(self, seconds: float) -> AbstractContextManager[None]:
        """Raise TimedOut in the block after `seconds`."""
        ...


class WallClock:
    """The real time."""

    def now(self) -> float:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def limited(self, seconds: float) -> AbstractContextManager[None]:
        """`limited`, by a timer of the operating system."""
        return limited(seconds)


WALL = WallClock()
