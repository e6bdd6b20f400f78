"""Counts false alarms of the check by Monte Carlo: `python -m gradmark.benchmarks.checks.false_positives [SPEC …]`.

Every estimator given, or every unbiased one of the catalogue, is checked once. Then the cases that `check` leaves to
Monte Carlo are checked with as many seeds as asked; the other checks do not depend on chance. Printed are the number of
cases, how many failed, and how many the level allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import click

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks.cases import Case, EstimatorCase, cases_of
from gradmark.benchmarks.checks.mean_by_monte_carlo import CELLS, LEVEL, mean_by_monte_carlo
from gradmark.benchmarks.checks.report import CheckReport
from gradmark.benchmarks.checks.results import MEAN_CHECKS, CheckResult
from gradmark.benchmarks.checks.runner import run_checks
from gradmark.benchmarks.checks.suite import QUICK_SUITE
from gradmark.benchmarks.measurement.block import threads
from gradmark.estimators.core import Estimator


def false_positives(
    estimator: Estimator, suite: Sequence[Case], report: CheckReport, seeds: int
) -> Iterator[tuple[EstimatorCase, int, CheckResult]]:
    """The results of the check by Monte Carlo on the cases where `check` runs it, seed by seed."""
    checked = [each for each in report.checks if each.check == MEAN_CHECKS[1] and each.status != "skipped"]
    left = {(each.where, each.num_samples) for each in checked}
    for case in (case for on in suite for case in cases_of(estimator, on)):
        for seed in range(1, seeds + 1) if (case.where, case.num_samples) in left else ():
            yield case, seed, mean_by_monte_carlo(seed=seed)(case)


@click.command()
@click.argument("texts", metavar="[SPEC …]", nargs=-1)
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(1), help="For every case.")
@click.option("--on", default="", help="Only problems with this in their text.")
def main(texts: tuple[str, ...], seeds: int, on: str) -> None:
    """Count how often checks by Monte Carlo fail estimators that are right."""
    suite = [case for case in QUICK_SUITE if on in str(case)]
    estimators = [specs.estimator(text) for text in texts]
    estimators = estimators or [cls() for cls in specs.catalogue("estimator").values() if cls.unbiased]
    total = Counter[str]()
    with threads(1):
        for estimator in estimators:
            report = run_checks(estimator, suite, budget=600.0)
            counts = Counter[str]()
            for case, seed, result in false_positives(estimator, suite, report, seeds):
                counts[result.status] += 1
                if result.failed:
                    click.echo(f"  failed with seed {seed}: {case}: {result.detail}")
                elif seed == seeds:
                    click.echo(f"  checked {seeds} times: {case}")
            total += counts
            click.echo(f"{estimator}: status {report.status}; {counts['failed']} of {counts.total()} cases failed")
    allowed = LEVEL / CELLS * total.total()
    click.echo(f"{total['failed']} of {total.total()} cases failed; the level allows {allowed:.2g}")


if __name__ == "__main__":
    main()
