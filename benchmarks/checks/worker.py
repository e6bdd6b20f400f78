"""`python -m gradmark.benchmarks.checks.worker`: one estimator is checked in a process of its own, which may die.

Read from stdin: one JSON object with `spec`, `against`, `level`, `budget`, `plugins`, `trace`. Written to what was
stdout: JSON lines, a `{"reading": …}` for each spec before it is read or looked at, a `{"loaded": …}` for each plug-in,
`{"bad": …}` or `{"declared": …}`, then a `{"ruling": …}` for each as it falls, then `{"verdict": …}`.
What the estimator prints goes to stderr.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks import PROBLEM_LAWS, Fixture
from gradmark.benchmarks.checks.exceptions import blamed
from gradmark.benchmarks.checks.reports import Ruling
from gradmark.benchmarks.checks.runner import SHARE, SHORTEST, judge
from gradmark.benchmarks.checks.suite import COURT, against
from gradmark.benchmarks.checks.timeout import TimedOut, limited
from gradmark.benchmarks.errors import BadInput, shortened
from gradmark.benchmarks.json_numbers import finite
from gradmark.benchmarks.plugins.modules import Source, using
from gradmark.estimators.core import Estimator, Problem

IMPORTING = 60.0  # seconds at least for what comes before the first law: importing, and the laws of problems
GRACE = 10.0  # seconds beyond a law's limit after which it cannot be hoped to come back


def main() -> None:
    """Judge what stdin asks for."""
    job: dict[str, Any] = json.load(sys.stdin)
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # an estimator that prints must not spoil what is told
    with open(job["trace"], "w") as trace:  # noqa: PTH123
        faulthandler.enable(trace)
        _watch(2 * max(job["budget"], IMPORTING) + GRACE, trace)
        with using(Source(Path(job["plugins"]), tell=lambda line: tell(told, loaded=line))):
            tell(told, **_judged(job, told, trace))
        faulthandler.cancel_dump_traceback_later()
    told.flush()
    os._exit(0)  # whatever threads or exit handlers the estimator left


def tell(told: IO[str], **said: object) -> None:
    """One line of JSON, at once."""
    told.write(json.dumps(finite(said), allow_nan=False) + "\n")
    told.flush()


def _watch(seconds: float, trace: IO[str]) -> None:
    """From now on, a single operation that does not come back ends the process, and its stack is kept."""
    faulthandler.dump_traceback_later(seconds, file=trace, exit=True)


def _judged(job: dict[str, Any], told: IO[str], trace: IO[str]) -> dict[str, Any]:
    try:
        estimator: Estimator = _read("estimator", job["spec"], job["budget"], told)
        problems: list[Problem] = [_read("problem", text, job["budget"], told) for text in job["against"]]
        problems = [_sound(problem, job["budget"], told) for problem in problems]
    except BadInput as fault:
        return {"bad": str(fault)}
    tell(told, declared="unbiased" if estimator.unbiased else "biased")
    limit = max(job["budget"] / SHARE, SHORTEST) + min(job["budget"], GRACE)
    _watch(limit, trace)

    def heard(ruling: Ruling) -> None:
        _watch(limit, trace)
        tell(told, ruling=ruling.json())

    trials = against(problems) if problems else COURT
    return {"verdict": judge(estimator, trials, job["level"], job["budget"], told=heard).json()}


def _read(kind: str, text: str, budget: float, told: IO[str]) -> Any:
    """What a spec spells; BadInput where reading it, and so importing its plug-in, does not come to an end."""
    name, seconds = f"{kind} {shortened(repr(text), 90)}", max(budget, IMPORTING)
    tell(told, reading=f"{name}: reading it")
    try:
        with limited(seconds):
            return (specs.estimator if kind == "estimator" else specs.problem)(text)
    except TimedOut as fault:
        raise BadInput(f"{name}: reading it took more than {seconds:.3g} seconds{blamed(fault.stack)}") from fault


def _sound(problem: Problem, budget: float, told: IO[str]) -> Problem:
    """The problem, if it keeps the laws of problems: on one that does not, no estimator can be judged."""
    tell(told, reading=f"--against {shortened(str(problem), 90)}: its own checks")
    try:
        with limited(max(budget, IMPORTING)):
            for place in ("init", "moved"):
                for law in PROBLEM_LAWS:
                    finding = law(Fixture(problem, place))
                    if finding.failed:
                        said = replace(finding, subject=f"at {place}")  # the problem is named before
                        raise BadInput(f"--against {problem}: the problem itself is wrong; {said}")
    except TimedOut as fault:
        seconds = max(budget, IMPORTING)
        raise BadInput(
            f"--against {problem}: its own checks took more than {seconds:.3g} seconds{blamed(fault.stack)}; "
            "pass a larger --budget, or a smaller problem"
        ) from fault
    return problem


if __name__ == "__main__":
    main()
