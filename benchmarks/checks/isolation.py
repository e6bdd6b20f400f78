"""Runs the checks of each estimator in a process of its own, which may crash or hang, and reads its report."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks.check_server import kept_server
from gradmark.benchmarks.checks.report import CheckReport, from_record
from gradmark.benchmarks.checks.results import CheckResult
from gradmark.benchmarks.crash import ended
from gradmark.benchmarks.errors import LONGEST, ROOT, shortened

LATE = 600.0  # seconds beyond its budget after which a process is killed; it stops itself long before that
PROCESS = "process"  # names the result of a process that ended before its checks did


def check(
    texts: Sequence[str],
    against: Sequence[str] = (),
    level: float = 0.001,
    budget: float = 60.0,
    on_report: Callable[[CheckReport], object] = lambda report: None,
    plugins: Path | None = None,
    tell: Callable[[str], object] = lambda line: None,
) -> tuple[list[CheckReport], list[str]]:
    """The reports on the estimators that `texts` spell, and one line for each input that cannot be used.

    `on_report` gets each report at once. Modules that specs name are in the folder `plugins`, by default the current
    one; `tell` gets one line for each of them.

    Raises BadInput, before any check runs, where a text is not a spec or names nothing in the catalogue.
    """
    for text in texts:
        _require_known("estimator", text)
    for text in against:
        _require_known("problem", text)
    reports, faults = [], []
    job = {"against": list(against), "level": level, "budget": budget, "plugins": str(plugins or Path.cwd())}
    tell_once = cache(tell)
    for text in texts:
        report = _checked({"spec": text, **job}, tell_once)
        if isinstance(report, str):
            faults += report.splitlines()
        else:
            reports.append(report)
            on_report(report)
    return reports, faults


def _require_known(kind: str, text: str) -> None:
    """Raise BadInput for a text that is not a spec or a name that is not in the catalogue; plug-ins are not loaded."""
    if not specs.names_a_plugin(kind, text):
        (specs.estimator if kind == "estimator" else specs.problem)(text)


def _checked(job: dict[str, Any], tell: Callable[[str], object]) -> CheckReport | str:
    """The report of the process, or made of the results that it sent before it ended; a line where input is bad."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        lines, code = kept_server().run(job | {"trace": str(trace)}, job["budget"] + LATE)
        where = _innermost(trace.read_text(errors="replace")) if trace.exists() else None
    messages = [json.loads(line) for line in lines if line.startswith("{")]
    for message in messages:
        if "loaded" in message:
            tell(message["loaded"])
    for message in messages:
        if "report" in message:
            return from_record(message["report"])
        if "bad" in message:
            return message["bad"]
    declared = next((message["declared"] for message in messages if "declared" in message), None)
    if declared is None:  # the process ended before the estimator was read: the input is bad
        steps = [message["step"] for message in messages if "step" in message]
        end = _end(code, where, "the time that it may take")
        return shortened(f"{steps[-1] if steps else 'starting'}: {end}", LONGEST)
    results = [CheckResult(**message["result"]) for message in messages if "result" in message]
    detail = _end(code, where, f"{job['budget'] / 3:.3g} seconds")
    results.append(CheckResult("failed", detail, check=PROCESS, estimator=job["spec"]))
    return CheckReport(job["spec"], declared, "failed", time.monotonic() - start, tuple(results))


def _end(code: int, where: str | None, limit: str) -> str:
    """How a process ended, and the line that it was running."""
    how = ended(code)
    if code == -signal.SIGKILL or (code == 1 and where):
        how = f"an operation did not return within {limit} and could not be interrupted"
    return f"{how} ({where})" if where else how


def _innermost(trace: str) -> str | None:
    """`file:line` of the innermost frame outside of libraries and this package, from faulthandler's trace."""
    library = Path(os.__file__).parent
    for file, line in re.findall(r'File "([^"]+)", line (\d+)', trace):
        path = Path(file)
        if (
            "site-packages" not in path.parts
            and not path.is_relative_to(library)
            and ROOT / "benchmarks" not in path.parents
        ):
            return f"{path.name}:{line}"
    return None


def status(reports: Sequence[CheckReport]) -> int:
    """The exit status: 0 where every estimator passed, else 1."""
    return int(any(report.status != "passed" for report in reports))
