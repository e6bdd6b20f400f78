"""What a law found: passed, failed or declined, and where, by how much, and how little it could have seen."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

LAWS = Path(__file__).parent
LIBRARY = Path(traceback.__file__).parent  # Python's own


@dataclass(frozen=True)
class Finding:
    """One law's answer on one subject: data, so that tests and a referee's table can both be made of it."""

    status: str  # "passed" | "failed" | "declined": the law has nothing to say here, and `detail` says why
    detail: str = ""
    coordinate: str | None = None  # the worst one, as `name[i, j]`
    size: float | None = None  # how far it is off
    visible: float | None = None  # the smallest fault that would have been seen
    law: str = ""
    subject: str = ""

    @property
    def failed(self) -> bool:
        """Whether the law is broken; a law that declines is not."""
        return self.status == "failed"

    def demand(self) -> None:
        """Raise AssertionError where the law is broken, with everything that is known."""
        if self.failed:
            raise AssertionError(str(self))

    def json(self) -> dict[str, Any]:
        """The finding as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        where = "" if self.coordinate is None else f" at {self.coordinate}"
        size = "" if self.size is None else f" by {self.size:.4g}"
        return f"{self.law}: {self.status}{where}{size}: {self.subject}: {self.detail}"


def passed(visible: float | None = None, detail: str = "") -> Finding:
    """The law holds."""
    return Finding("passed", detail, visible=visible)


def failed(
    detail: str, coordinate: str | None = None, size: float | None = None, visible: float | None = None
) -> Finding:
    """The law is broken."""
    return Finding("failed", detail, coordinate, size, visible)


def declined(detail: str) -> Finding:
    """The law has nothing to say, and why."""
    return Finding("declined", detail)


Subject = TypeVar("Subject")


def law(check: Callable[[Subject], Finding]) -> Callable[[Subject], Finding]:
    """Sign the finding with the law's name and its subject; code that raises breaks the law, and is named."""

    @functools.wraps(check)
    def signed(subject: Subject) -> Finding:
        dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
        try:
            finding = check(subject)
        except Exception as fault:  # an estimator or problem may be anybody's code
            line = " ".join(str(fault).split())[:300]
            finding = failed(f"{type(fault).__name__}: {line}{blamed(traceback.extract_tb(fault.__traceback__))}")
        finally:  # whatever the code did to the process, the next law starts afresh
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(grad)
        return replace(finding, law=check.__name__, subject=_text(subject))

    return signed


def blamed(stack: traceback.StackSummary) -> str:
    """` (file:line)` of the innermost frame that is neither a library's nor a law's, or nothing."""
    frames = [frame for frame in stack if not _foreign(frame.filename)]
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""


def _foreign(file: str) -> bool:
    path = Path(file)
    of_ours = path.parent in (LAWS, LAWS.parent)
    return "site-packages" in path.parts or of_ours or path.is_relative_to(LIBRARY) or file.startswith("<")


def _text(subject: object) -> str:
    try:
        return str(subject)
    except Exception:  # its text may be what is broken
        return repr(subject)
