"""A clock that stands still but where a test lets time pass: limits of time are tried without waiting for any."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from gradmark.benchmarks.checks.timeout import TimedOut


class SimulatedClock:
    """Seconds pass when somebody sleeps; what sleeps beyond its limit is interrupted."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.over = math.inf

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass, up to the limit at most."""
        self.seconds = min(self.seconds + seconds, self.over)
        if self.seconds >= self.over:
            raise TimedOut(traceback.StackSummary(traceback.extract_stack()[:-1]))  # where it slept

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        self.over = self.seconds + seconds
        try:
            yield
        finally:
            self.over = math.inf
