"""Errors of a user's input, each one line."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import gradmark

ROOT = Path(__file__).parent.parent  # holds the three folders of gradmark
ON_PATH = Path(gradmark.__file__).resolve().parent.parent  # the entry of sys.path that gradmark is imported from
OURS = tuple(ROOT / name for name in ("benchmarks", "estimators", "reports"))
LIBRARY = Path(os.__file__).parent

LONGEST = 290  # characters of one line of a fault, so that it stays below 300 with the program's name before it


class BadInput(Exception):
    """Input that cannot be used: each line names the call or file, the value and the remedy. Exit status 2."""


def shortened(text: str, most: int) -> str:
    """The text, or its start and its end with "…" between where it is longer than `most`: a line stays a line."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - 1]}…{text[-end:]}"


def one_line(fault: BaseException) -> str:
    """The fault, and the last line of code from outside that it came through; the last of all where there is none.

    A fault may say itself where it lies, as a wrong form does. The line is never empty: an exception without a
    message is reported to have none.
    """
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(fault.__traceback__)]
    file, line = next((each for each in reversed(lines) if is_foreign(each[0])), lines[-1] if lines else (None, 0))
    where = getattr(fault, "where", None if file is None else f"{Path(file).name}:{line}")
    return f"{type(fault).__name__}: {message(fault)}" + (f" ({printable(str(where))})" if where else "")


def message(fault: BaseException) -> str:
    """What an exception says, at most 500 characters; an exception may be anybody's code."""
    try:
        return printable(str(fault))[:500] or "(no message)"
    except Exception as second:
        return f"(its message cannot be read: {type(second).__name__})"


def printable(text: str) -> str:
    """The text on one line, as UTF-8 can hold it: a lone surrogate is written as its escape."""
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode()


def reason_of(source: object, reason: object) -> str:
    """The reason of a refusal on one line, and never empty; TypeError where it is not text."""
    if not isinstance(reason, str):
        raise TypeError(f"{source}.refuses() returned {type(reason).__name__}; must be None, or the reason as text")
    return printable(reason) or f"{source} refuses, and gives no reason"


def is_foreign(file: str) -> bool:
    """Whether a file of code is neither ours nor a library's."""
    path = Path(file)
    known = path.is_relative_to(LIBRARY) or any(map(path.is_relative_to, OURS))
    return not (known or "site-packages" in path.parts or file.startswith("<"))
