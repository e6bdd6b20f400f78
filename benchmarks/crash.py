"""How a child process ended, and where: from its exit status and what faulthandler wrote."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from gradmark.benchmarks.errors import is_foreign


def innermost(trace: str) -> str | None:
    """`file:line` of the innermost frame that is neither a library's nor ours, in what faulthandler wrote."""
    found = ((file, line) for file, line in re.findall(r'File "([^"]+)", line (\d+)', trace) if is_foreign(file))
    return next((f"{Path(file).name}:{line}" for file, line in found), None)


def ended(code: int) -> str:
    """What an exit status says."""
    if code >= 0:
        return f"the process ended with status {code}"
    try:
        return f"the process died of {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"the process died of signal {-code}"
