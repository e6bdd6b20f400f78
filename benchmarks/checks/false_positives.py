"""How often the checks of chance reject what is right: `python -m gradmark.benchmarks.checks.false_positives [SPEC …]`.

Every estimator given, or every unbiased one of the catalogue, is checked once. Then the cells that `check` leaves to
Monte Carlo are tried with as many seeds as asked: in the other laws there is no chance. Printed are the cells, how many
were rejected, and how many the level allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import click

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks.cases import Case
from gradmark.benchmarks.checks.reports import Verdict
from gradmark.benchmarks.checks.results import Finding
from gradmark.benchmarks.checks.runner import judge
from gradmark.benchmarks.checks.suite import COURT, Trial, tried
from gradmark.benchmarks.checks.two_stage_test import CELLS, LEVEL, mean_by_monte_carlo
from gradmark.benchmarks.measurement.block import threads
from gradmark.estimators.core import Estimator


def alarms(
    estimator: Estimator, trials: Sequence[Trial], verdict: Verdict, seeds: int
) -> Iterator[tuple[Case, int, Finding]]:
    """What the law of the mean by Monte Carlo finds on the cases that `check` judges by it, seed by seed."""
    judged = [each for each in verdict.laws if each.law == "mean_of_many_is_exact" and each.status != "declined"]
    left = {(each.fixture, each.num_samples) for each in judged}
    for case in (case for trial in trials for case in tried(estimator, trial)):
        for seed in range(1, seeds + 1) if (case.place, case.num_samples) in left else ():
            yield case, seed, mean_by_monte_carlo(seed=seed)(case)


@click.command()
@click.argument("texts", metavar="[SPEC …]", nargs=-1)
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(1), help="of every cell")
@click.option("--on", default="", help="only trials whose problem's text has this in it")
def main(texts: tuple[str, ...], seeds: int, on: str) -> None:
    """How often the laws of chance reject estimators that are right."""
    trials = [trial for trial in COURT if on in str(trial.fixture)]
    found = [specs.estimator(text) for text in texts]
    found = found or [cls() for cls in specs.catalogue("estimator").values() if cls.unbiased]
    total = Counter[str]()
    with threads(1):
        for estimator in found:
            verdict = judge(estimator, trials, budget=600.0)
            counts = Counter[str]()
            for case, seed, finding in alarms(estimator, trials, verdict, seeds):
                counts[finding.status] += 1
                if finding.failed:
                    click.echo(f"  rejected with seed {seed}: {case}: {finding.detail}")
                elif seed == seeds:
                    click.echo(f"  tried {seeds} times: {case}")
            total += counts
            cells = counts.total()
            click.echo(f"{estimator}: check says {verdict.verdict}; {counts['failed']} of {cells} cells rejected")
    allowed = LEVEL / CELLS * total.total()
    click.echo(f"{total['failed']} of {total.total()} cells rejected; {allowed:.2g} are to be expected at the level")


if __name__ == "__main__":
    main()
