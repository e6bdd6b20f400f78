"""A budget of time: how it is written, and a clock that says when it is spent."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from gradmark.benchmarks.checks.timeout import WALL, Clock, TimedOut
from gradmark.benchmarks.errors import BadInput, shortened

T = TypeVar("T")
SECONDS = re.compile(r"([0-9]*\.?[0-9]+)\s*s?")
UNITS = {"ms": 0.001, "m": 60, "min": 60, "h": 3600}  # that people write, and that are not taken
OTHER = re.compile(r"([0-9]*\.?[0-9]+)\s*(ms|min|m|h)")


class Spent(Exception):
    """The budget is spent: what was measured until now is the answer."""


@dataclass
class Budget:
    """So many seconds from when it is made."""

    seconds: float
    clock: Clock = field(default=WALL)

    def __post_init__(self) -> None:
        self._start = self.clock.now()

    @property
    def used(self) -> float:
        """Seconds since the start."""
        return self.clock.now() - self._start

    def limited(self, work: Callable[[], T], more: float = 0.0) -> T:
        """A piece of work; Spent where the budget, and this share of it, ends before the work does.

        An operation that never returns to Python cannot be interrupted.
        """
        left = self.seconds * (1 + more) - self.used
        if left <= 0:
            raise Spent
        try:
            with self.clock.limited(left):
                return work()
        except TimedOut:
            raise Spent from None


def seconds_of(budget: float | str) -> float:
    """The seconds of a budget, `60`, `60.0` or `"60s"`; BadInput where it is anything else."""
    found = SECONDS.fullmatch(budget.strip()) if isinstance(budget, str) else None
    if isinstance(budget, str):
        value = float(found[1]) if found else math.nan
    else:
        value = math.nan if isinstance(budget, bool) else float(budget)
    if math.isfinite(value) and value > 0:
        return value
    shown = shortened(repr(budget), 60)
    raise BadInput(f"recommend(budget={shown}): must be seconds above zero, such as 60s; pass {_remedy(budget)}")


def _remedy(budget: float | str) -> str:
    """The same time in seconds, where one can tell what was meant."""
    other = OTHER.fullmatch(budget.strip()) if isinstance(budget, str) else None
    meant = float(other[1]) * UNITS[other[2]] if other else 0.0
    return f"--budget {meant:g}s" if meant > 0 else "--budget 60s"
