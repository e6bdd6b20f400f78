"""Every estimator of the catalogue is checked against every problem of it.

All of them are right, so that whatever the checks reject is a false alarm. Printed is a table of counts, and a line for
each pair that was rejected, that was inconclusive, or that the time did not reach. `--part I/N` does every N-th pair.
"""

from __future__ import annotations

import platform
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import click
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks import PROBLEM_CHECKS, Case
from gradmark.benchmarks.checks.report import headline
from gradmark.benchmarks.checks.results import MEAN_CHECKS
from gradmark.benchmarks.checks.runner import REFUSAL, run_checks
from gradmark.benchmarks.checks.suite import suite_on
from gradmark.benchmarks.problems import Minibatch, ValueBaseline
from gradmark.estimators.core import Estimator, Problem

POINTS = ("init", "moved")
OF_PROBLEMS = (
    "Minibatch(problem=LinearGaussian(), size=2)",
    "Minibatch(problem=BayesianLogisticRegression(), size=100)",
    "ValueBaseline(problem=TabularMDP())",
)
OUTCOMES = ("passed", "refused", "inconclusive", "false alarm", "not reached")


@dataclass(frozen=True)
class Outcome:
    """The outcome of checking one pair, or a problem by itself."""

    estimator: str
    problem: str
    outcome: str  # one of OUTCOMES
    detail: str = ""


def pairs() -> list[tuple[str, str]]:
    """Every estimator with every problem, at their defaults, and with problems of those that are made of another."""
    estimators = sorted(str(cls()) for cls in specs.catalogue("estimator").values())
    classes = [cls for cls in specs.catalogue("problem").values() if cls not in (Minibatch, ValueBaseline)]
    problems = [*sorted(str(cls()) for cls in classes), *OF_PROBLEMS]
    return [(estimator, problem) for problem in problems for estimator in estimators]


def checked(estimator: Estimator, problem: Problem, budget: float) -> Outcome:
    """One pair, as `gradmark check ESTIMATOR --against PROBLEM` checks it."""
    report = run_checks(estimator, suite_on([problem]), budget=budget)
    names = str(estimator), str(problem)
    if report.status == "passed":
        return Outcome(*names, "passed")
    if report.status == "failed":
        broken = [result for result in report.checks if result.failed]
        detail = "; ".join(dict.fromkeys(f"{result.check} on {result.where}: {result.detail}" for result in broken))
        return Outcome(*names, "false alarm", detail)
    if [result.check for result in report.checks] == [REFUSAL]:
        return Outcome(*names, "refused", report.checks[0].detail)
    reasons = {result.detail for result in report.checks if result.check in MEAN_CHECKS}
    return Outcome(*names, "inconclusive", "; ".join(sorted(reasons)) or headline(report))


def sound(problem: Problem) -> Outcome:
    """The checks of problems on a problem by itself."""
    for result in (check(Case(problem, at)) for at in POINTS for check in PROBLEM_CHECKS):
        if result.failed:
            return Outcome("", str(problem), "false alarm", str(result))
    return Outcome("", str(problem), "passed")


def _of_texts(texts: tuple[str, str], budget: float, deadline: float) -> Outcome:
    """One pair, or one problem by itself, unless the time is over; whatever it raises is a false alarm."""
    if time.time() > deadline:
        return Outcome(*texts, "not reached")
    torch.set_num_threads(1)
    try:
        if not texts[0]:
            return sound(specs.problem(texts[1]))
        return checked(specs.estimator(texts[0]), specs.problem(texts[1]), budget)
    except Exception as fault:
        return Outcome(*texts, "false alarm", f"the check itself ended with {type(fault).__name__}: {fault}")


def all_of(texts: Sequence[tuple[str, str]], budget: float, seconds: float, processes: int) -> Iterator[Outcome]:
    """Every pair within so many seconds, in so many processes."""
    deadline = time.time() + seconds
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        futures = [pool.submit(_of_texts, pair, budget, deadline) for pair in texts]
        yield from (future.result() for future in futures)


def table(outcomes: Iterable[Outcome]) -> str:
    """The counts, as Markdown."""
    counts = Counter((each.outcome, bool(each.estimator)) for each in outcomes)
    rows = [f"| {outcome} | {counts[outcome, True]} | {counts[outcome, False]} |" for outcome in OUTCOMES]
    head = f"torch {torch.__version__}, Python {platform.python_version()}"
    return "\n".join([head, "", "| outcome | pairs | problems by themselves |", "| --- | ---: | ---: |", *rows])


@click.command()
@click.option("--budget", default=20.0, show_default=True, help="Seconds for one pair.")
@click.option("--minutes", default=60.0, show_default=True, help="For all pairs; those not reached are counted.")
@click.option("--processes", default=2, show_default=True, type=click.IntRange(1))
@click.option("--on", default="", help="Only pairs with this in the text of the estimator or of the problem.")
@click.option("--part", default="1/1", show_default=True, metavar="I/N", help="Only every N-th pair, from the I-th.")
def main(budget: float, minutes: float, processes: int, on: str, part: str) -> None:
    """Check the catalogue against the catalogue; exit 1 where anything right is rejected."""
    first, step = map(int, part.split("/"))
    texts = [pair for pair in pairs() if on in " on ".join(pair)][first - 1 :: step]
    problems = [("", problem) for problem in dict.fromkeys(problem for _, problem in texts)]
    found = []
    for outcome in all_of([*problems, *texts], budget, 60 * minutes, processes):
        found.append(outcome)
        if outcome.outcome in ("false alarm", "inconclusive", "not reached"):
            who = " on ".join(filter(None, (outcome.estimator, outcome.problem)))
            click.echo(f"{outcome.outcome}: {who}: {outcome.detail[:400]}")
    click.echo(table(found))
    sys.exit(int(any(outcome.outcome == "false alarm" for outcome in found)))


if __name__ == "__main__":
    main()
