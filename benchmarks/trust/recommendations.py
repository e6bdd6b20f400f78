"""`python -m gradmark.benchmarks.trust.recommendations`: how often `recommend` drops one of several that are equal.

One method with 1, 2, 4 and 8 samples has the same exact variance × evaluations, from draws that differ. Whatever is
dropped among them is dropped by mistake.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial

import click

from gradmark.benchmarks.recommendation.halving import ERROR
from gradmark.benchmarks.recommendation.recommend import recommend
from gradmark.benchmarks.trust.seeds import Row, counted

NO_END = 1e9  # seconds
EQUAL = (
    ("GaussianToy()", "ScoreFunction()"),
    ("GaussianToy(k=-3.0)", "Reparameterization()"),
    ("BernoulliToy()", "ScoreFunction()"),
    ("BernoulliToy(probs=(0.1, 0.5))", "ScoreFunction()"),
)


@dataclass(frozen=True)
class Mistakes:
    """Of so many recommendations, those that dropped anything."""

    runs: int
    mistaken: int

    def __add__(self, other: Mistakes) -> Mistakes:
        return Mistakes(self.runs + other.runs, self.mistaken + other.mistaken)


def mistakes(problem: str, estimator: str, seeds: range) -> Mistakes:
    """The recommendations over these seeds."""
    found = [recommend(problem, [estimator], seed=seed, budget=NO_END) for seed in seeds]
    return Mistakes(len(found), sum(bool(each.dropped) for each in found))


@click.command()
@click.option("--seeds", default=100, show_default=True, type=click.IntRange(1), help="Recommendations of each pair.")
@click.option("--processes", default=os.cpu_count() or 1, show_default=True, type=click.IntRange(1))
def main(seeds: int, processes: int) -> None:
    """Count the recommendations that drop one of four equal candidates."""
    rows = [Row(problem, estimator, partial(mistakes, problem, estimator), seeds) for problem, estimator in EQUAL]
    click.echo("| problem | estimator | recommendations | with a mistake | allowed |")
    click.echo("| --- | --- | ---: | ---: | ---: |")
    for row, found in counted(rows, processes):
        allowed = f"{found.runs * ERROR:g}"
        click.echo(f"| `{row.name}` | `{row.size}` | {found.runs} | {found.mistaken} | {allowed} |")


if __name__ == "__main__":
    main()
