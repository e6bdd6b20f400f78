"""All results on one estimator, the status that follows from them, and the text that `gradmark check` prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gradmark.benchmarks.checks.results import BIAS_CHECK, BROKEN, MEAN_CHECKS, CheckResult
from gradmark.benchmarks.errors import shortened

WIDTH = 80  # columns of the terminal output
SHORTEST_NAME = 12  # characters that are left of a name
MEANS = {"expectation_is_exact": "its expectation is exact", "mean_of_many_is_exact": "its mean agrees"}

Results = Sequence[CheckResult]


@dataclass(frozen=True)
class CheckReport:
    """The results of all checks of one estimator."""

    estimator: str
    declared: str  # "unbiased" | "biased"
    status: str  # "passed" | "failed" | "inconclusive"
    seconds: float
    checks: tuple[CheckResult, ...]

    def json(self) -> dict[str, Any]:
        """The report as `gradmark check --json` prints it."""
        return {
            "estimator": self.estimator,
            "declared": self.declared,
            "status": self.status,
            "seconds": self.seconds,
            "checks": [result.json() for result in self.checks],
        }

    def demand(self) -> None:
        """Raise AssertionError where the status is not `passed`, with the sentence that `gradmark check` prints."""
        if self.status != "passed":
            raise AssertionError(sentence(self))

    def record(self) -> dict[str, Any]:
        """Everything, as plain data that `from_record` reads."""
        return asdict(self)


def from_record(record: Mapping[str, Any]) -> CheckReport:
    """The report that `CheckReport.record` wrote."""
    return CheckReport(**{**record, "checks": tuple(CheckResult(**result) for result in record["checks"])})


def status_of(results: Sequence[CheckResult]) -> str:
    """`failed` where a check failed or raised, `passed` where the mean was checked, else `inconclusive`."""
    if any(result.status in BROKEN for result in results):
        return "failed"
    checked = any(result.status == "passed" and result.check in (*MEAN_CHECKS, BIAS_CHECK) for result in results)
    return "passed" if checked else "inconclusive"


def headline(report: CheckReport, width: int = WIDTH) -> str:
    """The result in one line of at most `width` columns; a name that is too long is shortened in its middle."""
    name, status = report.estimator, f"{_status(report)} ({report.seconds:.0f} s)"
    room = max(width - len(status) - 1, SHORTEST_NAME)
    if len(name) > room:
        half = (room - 1) // 2
        name = f"{name[: room - 1 - half]}…{name[len(name) - half :]}"
    return f"{name} {status}"


def _status(report: CheckReport) -> str:
    """The status with the reason in a few words, at most some sixty characters."""
    failed, raised = of(report.checks, "failed"), of(report.checks, "raised")
    if failed:
        first = "its mean is off" if any(map(_mean_is_off, failed)) else failed[0].check.replace("_", " ")
        others = len({result.check for result in failed}) - 1
        return f"failed: {first}{f', and {others} more' if others else ''}"
    if raised:
        first = (raised[0].exception or "an exception").partition(" ")[0]
        return f"failed: it raises {first}{f', and {len(raised) - 1} more' if len(raised) > 1 else ''}"
    if report.status == "inconclusive":
        return "is inconclusive: its mean could not be checked"
    cases = {(result.problem, result.at, result.num_samples) for result in report.checks}
    biased = ", with a declared bias" if report.declared == "biased" else ""
    return f"passed {len(of(report.checks, 'passed'))} checks on {len(cases)} cases{biased}"


def _mean_is_off(result: CheckResult) -> bool:
    return result.check in (*MEAN_CHECKS, BIAS_CHECK) and result.error is not None


def sentence(report: CheckReport) -> str:
    """The result with its explanation, on one line."""
    return f"{headline(report, 10**6)}. {explanation(report)}"


def explanation(report: CheckReport) -> str:
    """Which checks failed, where, and by how much; or the smallest bias that would have been detected."""
    broken = [*of(report.checks, "failed"), *of(report.checks, "raised")]
    if broken:
        return _failures(broken)
    if report.status == "inconclusive":
        return f"Why: {shortened('; '.join(_reasons(report.checks)), 200)}."
    means = [result for result in of(report.checks, "passed") if result.check in (*MEAN_CHECKS, BIAS_CHECK)]
    if report.declared == "unbiased":
        return f"No check failed; {' and '.join(_means(means))}."
    worst = means[-1]
    if worst.error is None:
        return "No check failed; it declares a bias, which does not show on these problems."
    off = f"{worst.coordinate} is off by {worst.error:.3g} on {worst.where}"
    return f"No check failed; it is biased, as it declares: {off}."


def _reasons(results: Results) -> Iterable[str]:
    """Why the mean was not checked; where no check of the mean says so, why any check was skipped."""
    skipped = [result for result in of(results, "skipped") if result.detail]
    of_means = [result for result in skipped if result.check in (*MEAN_CHECKS, BIAS_CHECK)]
    return dict.fromkeys(result.detail for result in of_means or skipped)


def _means(means: Results) -> list[str]:
    """On how many cases the mean is exact, and the smallest bias that would have been detected there."""
    found = []
    for check, text in MEANS.items():
        group = [result for result in means if result.check == check]
        if group:
            bias = smallest_bias(group) or "any bias"
            found.append(f"{text} on {len(group)} cases ({bias} would have been detected on each)")
    return found


def smallest_bias(group: Results) -> str:
    """The smallest bias that every result of the group would have detected, relative to the gradient's norm.

    Where the gradient is zero the bias is given as a number.
    """
    relative = [result.relative for result in group if result.relative]
    absolute = [each.smallest_detectable for each in group if each.smallest_detectable and not each.relative]
    parts = [f"a bias of {max(relative):.1g} of the gradient's norm"] if relative else []
    parts += [f"{'' if parts else 'a bias of '}{max(absolute):.1g} where the gradient is 0"] if absolute else []
    return ", or ".join(parts)


def _failures(broken: Results) -> str:
    """The names of the checks that failed, with the first failure; then every exception."""
    failed, parts = of(broken, "failed"), list[str]()
    if failed:
        names = ", ".join(dict.fromkeys(result.check for result in failed))
        first = failed[0]
        where = f" in {first.coordinate}" if first.coordinate else ""
        error = f" by {first.error:.3g}" if first.error is not None else ""
        parts.append(f"Failed: {names}; first{_case(first)}{where}{error}: {first.detail}.")
    parts += [f"It raises{_case(result)}: {result.detail}." for result in of(broken, "raised")]
    return " ".join(parts)


def _case(result: CheckResult) -> str:
    draws = f" with num_samples={result.num_samples}" if result.num_samples else ""
    return f" on {result.where}{draws}" if result.problem else ""


def of(results: Results, status: str) -> list[CheckResult]:
    """The results with this status."""
    return [result for result in results if result.status == status]


def groups(results: Results, key: Callable[[CheckResult], Hashable]) -> list[list[CheckResult]]:
    """The results with equal keys together, in the order in which the keys come first."""
    found: dict[Hashable, list[CheckResult]] = {}
    for result in results:
        found.setdefault(key(result), []).append(result)
    return list(found.values())


def check_and_detail(result: CheckResult) -> Hashable:
    """The key of results that differ in numbers only."""
    return result.check, re.sub(r"[\d.]+", "", result.detail)
