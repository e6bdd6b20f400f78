"""Standard output: it holds only what the command prints, and every character can be written."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Iterator
from io import TextIOWrapper


def lenient() -> None:
    """Write characters that the encoding lacks as escapes instead of failing: `\\u2013` where there is only ASCII."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Whatever the block prints goes to stderr, in Python, below Python and in child processes."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def nothing_more() -> None:
    """What is printed while the process ends goes to stderr: the one object on stdout is written."""
    sys.stdout.flush()
    atexit.register(os.dup2, 2, 1)  # before the handlers of plug-ins, which were registered earlier
