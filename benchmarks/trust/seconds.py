"""Intervals of seconds from one run to the next: how many pairs of runs contradict each other.

`python -m gradmark.benchmarks.trust.seconds` times one table in several runs, each of several processes, one after
another. Two runs contradict each other where their 95 % intervals for the same method have no number in common; about
one pair in two hundred does so by chance. Counted are intervals from the repeats of one process, and from the rounds of
all.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import click
import numpy as np
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.execution.limits import Limits
from gradmark.benchmarks.execution.work import Failed
from gradmark.benchmarks.execution.worker_client import Worker
from gradmark.benchmarks.measurement.quantities import Quantity, median
from gradmark.benchmarks.measurement.timing_rounds import nested_median
from gradmark.benchmarks.training.points import ParameterPoint

PROBLEM = "GaussianToy()"
METHODS = ("ScoreFunction()", "Reparameterization()", "LeaveOneOut()", "StickingTheLanding()")


def timed(cells: Sequence[Cell]) -> tuple[list[list[float]], float | None]:
    """The repeats of each cell in a new process, and how busy the machine was."""
    archive = ParameterPoint(specs.problem(PROBLEM).init()).to_bytes()
    with Worker(Limits(), fresh=True) as worker:
        found = worker.time([(cell, archive) for cell in cells])
    failed = [each.reason for each in found.seconds if isinstance(each, Failed)]
    assert not failed, failed
    return [each for each in found.seconds if not isinstance(each, Failed)], found.busy


def contradictions(intervals: Sequence[Quantity]) -> tuple[int, int]:
    """How many pairs of intervals are disjoint, and how many pairs there are; none has no end."""
    ends = [quantity.ci for quantity in intervals if quantity.ci is not None]
    pairs = list(itertools.combinations(ends, 2))
    return sum(a[1] < b[0] or b[1] < a[0] for a, b in pairs), len(pairs)


@click.command()
@click.option("--runs", type=click.IntRange(2), default=8, show_default=True)
@click.option("--processes", type=click.IntRange(2), default=4, show_default=True, help="Of each run.")
def main(runs: int, processes: int) -> None:
    """Print the pairs of runs that contradict each other, for each method."""
    cells = [Cell(PROBLEM, method, 2) for method in METHODS if _fits(method)]
    found = [[timed(cells) for _ in range(processes)] for _ in range(runs)]
    shares = [busy for run in found for _, busy in run if busy is not None]
    click.echo("| method | seconds, median | disjoint pairs, one process | disjoint pairs, all processes |")
    click.echo("|---|---|---|---|")
    for column, cell in enumerate(cells):
        rounds = [[seconds[column] for seconds, _ in run] for run in found]
        alone = contradictions([median(np.array(run[0])) for run in rounds])
        nested = contradictions([nested_median(run) for run in rounds])
        typical = float(np.median(np.array(rounds)))
        click.echo(f"| {cell.estimator} | {typical:.3g} | {alone[0]} of {alone[1]} | {nested[0]} of {nested[1]} |")
    busy = f"{np.median(shares):.0%}" if shares else "an unknown share"
    click.echo(
        f"\n{runs} runs of {processes} processes, torch {torch.__version__}, others took {busy} of the processors"
    )


def _fits(method: str) -> bool:
    return specs.estimator(method).refuses(specs.problem(PROBLEM), 2) is None


if __name__ == "__main__":
    main()
