"""Callbacks that tell how far a run has come; by default they do nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Callbacks of a run; by default they do nothing."""

    start: Callable[[str], None] = lambda label: None
    advance: Callable[[float], None] = lambda share: None  # of one cell, training run or experiment
    note: Callable[[str], None] = lambda line: None  # of what was damaged, or measured with other code


SILENT = Progress()
