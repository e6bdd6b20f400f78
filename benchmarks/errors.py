"""What a user can get wrong, said in one line."""

from __future__ import annotations

from pathlib import Path


class BadInput(Exception):
    """Input that cannot be used: each line names the call or file, the value and the remedy. Exit status 2."""


def one_line(fault: BaseException) -> str:
    """The fault, and the last line of code it came through."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"
    return f"{type(fault).__name__}: {' '.join(str(fault).split())[:500]}{where}"
