"""Runs code of plug-ins: whatever it raises becomes bad input, one line that names the file and the line."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from gradmark.benchmarks.errors import BadInput, message, shortened
from gradmark.benchmarks.plugins.imported_files import is_plugin_file


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turn what the block raises into BadInput, even an exit or an interrupt that no key was pressed for.

    BadInput passes as it is, and so does what gradmark itself raises into the block, as when its time is over.
    """
    with _keyboard() as pressed:
        try:
            yield
        except BaseException as fault:
            if type(fault).__module__.startswith("gradmark.") or (isinstance(fault, KeyboardInterrupt) and pressed()):
                raise
            raise BadInput(f"{what} raised {described(fault)}") from None


def described(fault: BaseException) -> str:
    """The kind of fault, what it says, and the innermost line outside installed packages."""
    if isinstance(fault, SyntaxError):
        line = f"{Path(fault.filename or '').name}:{fault.lineno}"
        return f"{type(fault).__name__}: {shortened(str(fault.msg), 120)} ({line})"
    frames = traceback.extract_tb(fault.__traceback__)
    own = [frame for frame in frames if is_plugin_file(Path(frame.filename))] or frames
    where = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"{type(fault).__name__}: {shortened(message(fault), 120)}{where}"


@contextmanager
def _keyboard() -> Iterator[Callable[[], bool]]:
    """Whether an interrupt was sent to the process during the block; outside the main thread each counts as sent."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: True
        return
    pressed: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        pressed.append(number)
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)
