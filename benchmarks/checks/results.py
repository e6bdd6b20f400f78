"""The result of one check: passed, failed, raised or skipped, with the coordinate and the error."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch

from gradmark.benchmarks.checks.exceptions import described, identity, of_distributions, owned, remedy

BROKEN = ("failed", "raised")  # the statuses that a correct estimator or problem never has
MEAN_CHECKS = ("expectation_is_exact", "mean_of_many_is_exact")  # the checks that compare the mean with an oracle
BIAS_CHECK = "bias_is_found"


@dataclass(frozen=True)
class CheckResult:
    """What one check found on one case, or on one problem: data for tests, for tables and for JSON."""

    status: str  # "passed" | "failed" | "raised" | "skipped": the check does not apply, and `detail` says why
    detail: str = ""
    coordinate: str | None = None  # the worst one, as `name[i, j]`
    error: float | None = None  # how far the worst coordinate is off
    smallest_detectable: float | None = None  # the smallest error that would have failed
    check: str = ""
    estimator: str = ""  # empty for a check of a problem
    problem: str = ""  # empty for what concerns all problems
    at: str = ""  # the parameter point, with the kind of state
    num_samples: int | None = None
    relative: float | None = None  # `smallest_detectable` of a mean, over the norm of the gradient
    exception: str | None = None  # class and line of what the estimator raised

    @property
    def failed(self) -> bool:
        """Whether the check failed, or the estimator raised; False for a check that was skipped."""
        return self.status in BROKEN

    @property
    def where(self) -> str:
        """The problem and the parameter point."""
        return f"{self.problem} at {self.at}" if self.problem else "all problems"

    def demand(self) -> None:
        """Raise AssertionError where the check failed, with everything that is known."""
        if self.failed:
            raise AssertionError(str(self))

    def json(self) -> dict[str, Any]:
        """The result as plain data; numbers that JSON cannot write are null."""
        return {
            "check": self.check,
            "problem": self.problem,
            "at": self.at,
            "num_samples": self.num_samples,
            "status": self.status,
            "coordinate": self.coordinate,
            "error": _finite(self.error),
            "smallest_detectable": _finite(self.smallest_detectable),
            "detail": self.detail,
        }

    def __str__(self) -> str:
        coordinate = "" if self.coordinate is None else f" at {self.coordinate}"
        error = "" if self.error is None else f" by {self.error:.4g}"
        subject = " on ".join(filter(None, (self.estimator, self.where)))
        draws = "" if self.num_samples is None else f", num_samples={self.num_samples}"
        return f"{self.check}: {self.status}{coordinate}{error}: {subject}{draws}: {self.detail}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def passed(smallest_detectable: float | None = None, detail: str = "") -> CheckResult:
    """The check passed."""
    return CheckResult("passed", detail, smallest_detectable=smallest_detectable)


def failed(
    detail: str, coordinate: str | None = None, error: float | None = None, smallest_detectable: float | None = None
) -> CheckResult:
    """The check failed."""
    return CheckResult("failed", detail, coordinate, error, smallest_detectable)


def skipped(detail: str) -> CheckResult:
    """The check does not apply, and why."""
    return CheckResult("skipped", detail)


Subject = TypeVar("Subject")


def check(function: Callable[[Subject], CheckResult]) -> Callable[[Subject], CheckResult]:
    """Make a check of a function: its result names the check and its subject, and exceptions become results."""

    @functools.wraps(function)
    def checked(subject: Subject) -> CheckResult:
        dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
        try:
            result = function(subject)
        except Exception as fault:  # an estimator or problem may be anybody's code
            result = raised(fault, subject)
        finally:  # the code may have changed these for the whole process
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(grad)
        return labelled(result, function.__name__, subject)

    return checked


def labelled(result: CheckResult, name: str, subject: Any) -> CheckResult:
    """The result with the check's name, and with the names of the estimator, the problem and the parameter point."""
    on = getattr(subject, "on", subject)
    return replace(
        result,
        check=name,
        estimator=text(subject.estimator) if hasattr(subject, "estimator") else "",
        problem=text(on.problem),
        at=subject.at,
        num_samples=subject.num_samples if hasattr(subject, "estimator") else None,
    )


def raised(fault: BaseException, subject: object) -> CheckResult:
    """The result for an exception: `raised` with the remedy where the estimator's code raised it.

    It is `failed` where a problem's code raised it in a check of problems, and `skipped` where the check itself did.
    """
    estimator, problem = getattr(subject, "estimator", None), getattr(subject, "problem", subject)
    if estimator is None:
        description = described(fault, template := getattr(problem, "template", problem))
        if owned(fault, problem) or owned(fault, template) or of_distributions(fault):
            return failed(description)
    else:
        description = described(fault, estimator)
        if owned(fault, estimator):
            ends = ", which ends the process" if isinstance(fault, SystemExit) else ""
            detail = f"{description}{ends}; {remedy(fault)}"
            return CheckResult("raised", detail, exception=identity(fault, estimator))
    return skipped(f"the check itself raised, which does not concern its subject: {description}")


def text(subject: object) -> str:
    """The subject's text, or its `repr` where the text itself is what is broken."""
    try:
        return str(subject)
    except Exception:
        return repr(subject)
