"""What a law found: passed, failed or declined, and where, by how much, and how little it could have seen."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import torch

from gradmark.benchmarks.checks.exceptions import described, identity, of_distributions, owned, remedy

BROKEN = ("failed", "raised")  # the two kinds of status that nothing right has


@dataclass(frozen=True)
class Finding:
    """One law's answer on one subject: data, so that tests and a referee's table can both be made of it."""

    status: str  # "passed" | "failed" | "raised" | "declined": the law has nothing to say here, and `detail` says why
    detail: str = ""
    coordinate: str | None = None  # the worst one, as `name[i, j]`
    size: float | None = None  # how far it is off
    visible: float | None = None  # the smallest fault that would have been seen
    law: str = ""
    subject: str = ""
    exception: str | None = None  # class and place of what was raised

    @property
    def failed(self) -> bool:
        """Whether the law is broken, or the code to which it applies raised; a law that declines is not broken."""
        return self.status in BROKEN

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
    """Sign the finding with the law's name and its subject; an estimator's code that raises is named."""

    @functools.wraps(check)
    def signed(subject: Subject) -> Finding:
        dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
        try:
            finding = check(subject)
        except Exception as fault:  # an estimator or problem may be anybody's code
            finding = raised(fault, subject)
        finally:  # whatever the code did to the process, the next law starts afresh
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(grad)
        return replace(finding, law=check.__name__, subject=_text(subject))

    return signed


def raised(fault: BaseException, subject: object) -> Finding:
    """What the estimator's code raised, with the remedy, or the problem's; what the check itself raised is skipped."""
    estimator, problem = getattr(subject, "estimator", None), getattr(subject, "problem", subject)
    if estimator is None:
        said = described(fault, template := getattr(problem, "template", problem))
        if owned(fault, problem) or owned(fault, template) or of_distributions(fault):
            return failed(said)
    else:
        said = described(fault, estimator)
        if owned(fault, estimator):
            ends = ", which ends the process" if isinstance(fault, SystemExit) else ""
            return Finding("raised", f"{said}{ends}; {remedy(fault)}", exception=identity(fault, estimator))
    return declined(f"the check itself failed, which says nothing of what it checks: {said}")


def _text(subject: object) -> str:
    try:
        return str(subject)
    except Exception:  # its text may be what is broken
        return repr(subject)
