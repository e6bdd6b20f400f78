"""How busy the machine was with other work, while something of ours was timed."""

from __future__ import annotations

import os
from pathlib import Path

STAT = Path("/proc/stat")
IDLE = (3, 4)  # the fields of a line of /proc/stat in which no process ran: idle, and waiting for a disk
COUNTED = 8  # the fields after it are counted in the first two


class Others:
    """The share of the machine's processor time that other processes took since this object was made.

    From Linux's count of processor time, all cores together, less this process's own; elsewhere from the load average
    of the last minute, less one for this process.
    """

    def __init__(self) -> None:
        self._start = _times()

    def share(self) -> float | None:
        """Between 0 and 1; None where the machine does not say."""
        now = _times()
        if self._start is None or now is None:
            return _load()
        total, busy, own = (after - before for before, after in zip(self._start, now, strict=True))
        return min(max((busy - own) / total, 0.0), 1.0) if total > 0 else None


def _times() -> tuple[float, float, float] | None:
    """Seconds of processor time: all there was, what was used, and what this process used."""
    try:
        fields = [int(part) for part in STAT.read_text().split("\n", 1)[0].split()[1 : 1 + COUNTED]]
    except (OSError, ValueError):
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    used = os.times()
    idle = sum(fields[index] for index in IDLE)
    return sum(fields) / ticks, (sum(fields) - idle) / ticks, used.user + used.system


def _load() -> float | None:
    try:
        return min(max(os.getloadavg()[0] - 1, 0.0) / (os.cpu_count() or 1), 1.0)
    except (OSError, AttributeError):
        return None
