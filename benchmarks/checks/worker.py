"""`python -m gradmark.benchmarks.checks.worker FD`: checks each estimator in a process of its own, which may crash.

The processes are forked for the jobs that come over the socket FD (`gradmark.benchmarks.checks.check_server`). stdin of
each: one JSON object with `spec`, `against`, `level`, `budget`, `plugins`, `trace` and `environment`. stdout: JSON
lines, a `{"step": …}` before each spec is read or checked, a `{"loaded": …}` for each plug-in, `{"bad": …}` or
`{"declared": …}`, then a `{"result": …}` for each check at once, then `{"report": …}`.
What the estimator prints goes to stderr.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks import PROBLEM_CHECKS, Case
from gradmark.benchmarks.checks.check_server import forked
from gradmark.benchmarks.checks.exceptions import blamed
from gradmark.benchmarks.checks.meta_device import load_kernels
from gradmark.benchmarks.checks.results import CheckResult
from gradmark.benchmarks.checks.runner import SHARE, SHORTEST, run_checks
from gradmark.benchmarks.checks.suite import QUICK_SUITE, suite_on
from gradmark.benchmarks.checks.timeout import TimedOut, limited
from gradmark.benchmarks.errors import BadInput, shortened
from gradmark.benchmarks.json_numbers import finite
from gradmark.benchmarks.plugins.modules import Source, using
from gradmark.estimators.core import Estimator, Problem

IMPORTING = 60.0  # seconds at least for what comes before the first check: importing, and the checks of problems
GRACE = 10.0  # seconds beyond a check's limit after which it will not return
PAIRS = tuple((at, check) for at in ("init", "moved") for check in PROBLEM_CHECKS)


def main() -> None:
    """Run the checks that stdin asks for, in each process that is forked."""
    if not forked(int(sys.argv[1]), load_kernels):
        return
    job: dict[str, Any] = json.load(sys.stdin)
    os.environ.clear()
    os.environ.update(job["environment"])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keep the estimator's prints out of the JSON lines
    with open(job["trace"], "w") as trace:  # noqa: PTH123
        faulthandler.enable(trace)
        _watch(2 * max(job["budget"], IMPORTING) + GRACE, trace)
        with using(Source(Path(job["plugins"]), tell=lambda line: send(out, loaded=line))):
            send(out, **_checked(job, out, trace))
        faulthandler.cancel_dump_traceback_later()
    out.flush()
    os._exit(0)  # whatever threads or exit handlers the estimator left


def send(out: IO[str], **message: object) -> None:
    """Write one line of JSON, at once."""
    out.write(json.dumps(finite(message), allow_nan=False) + "\n")
    out.flush()


def _watch(seconds: float, trace: IO[str]) -> None:
    """From now on, an operation that does not return within `seconds` ends the process; its stack is kept."""
    faulthandler.dump_traceback_later(seconds, file=trace, exit=True)


def _checked(job: dict[str, Any], out: IO[str], trace: IO[str]) -> dict[str, Any]:
    try:
        estimator: Estimator = _read("estimator", job["spec"], job["budget"], out)
        problems: list[Problem] = [_read("problem", text, job["budget"], out) for text in job["against"]]
        for problem in problems:
            _require_sound(problem, job["budget"], out)
    except BadInput as fault:
        return {"bad": str(fault)}
    send(out, declared="unbiased" if estimator.unbiased else "biased")
    limit = max(job["budget"] / SHARE, SHORTEST) + min(job["budget"], GRACE)
    _watch(limit, trace)

    def send_result(result: CheckResult) -> None:
        _watch(limit, trace)
        send(out, result=asdict(result))

    suite = suite_on(problems) if problems else QUICK_SUITE
    return {"report": run_checks(estimator, suite, job["level"], job["budget"], on_result=send_result).record()}


def _read(kind: str, text: str, budget: float, out: IO[str]) -> Any:
    """The object that a spec spells; BadInput where loading it, which imports its plug-in, takes too long."""
    name, seconds = f"{kind} {shortened(repr(text), 90)}", max(budget, IMPORTING)
    send(out, step=f"{name}: loading it")
    try:
        with limited(seconds):
            return (specs.estimator if kind == "estimator" else specs.problem)(text)
    except TimedOut as fault:
        raise BadInput(f"{name}: loading it took more than {seconds:.3g} seconds{blamed(fault.stack)}") from fault


def _require_sound(problem: Problem, budget: float, out: IO[str]) -> None:
    """Raise BadInput where the problem fails a check of problems: no estimator can be checked on it."""
    send(out, step=f"--against {shortened(str(problem), 90)}: its own checks")
    try:
        with limited(max(budget, IMPORTING)):
            results = (check(Case(problem, at)) for at, check in PAIRS)
            wrong = next((result for result in results if result.failed), None)
    except TimedOut as fault:
        seconds = max(budget, IMPORTING)
        raise BadInput(
            f"--against {problem}: its own checks took more than {seconds:.3g} seconds{blamed(fault.stack)}; "
            "pass a larger --budget, or a smaller problem"
        ) from fault
    if wrong is not None:
        where = f"{wrong.check} {wrong.status} at {wrong.at}{f' in {wrong.coordinate}' if wrong.coordinate else ''}"
        raise BadInput(f"--against {problem}: the problem itself is wrong; {where}: {wrong.detail}")


if __name__ == "__main__":
    main()
