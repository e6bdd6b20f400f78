"""`python -m gradmark.benchmarks.trust.coverage`: how often 95 % intervals hold the truth, or are withheld.

Cells of known variance are measured many times, as the runner measures them. Printed are the share of runs that print
an interval of the total variance, how many of these hold the truth, and the share of all runs that print one that does
not: where few print one, these are the runs that look alike by chance, and the last column is what is promised.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import partial

import click
import numpy as np
import torch

from gradmark.benchmarks.cells import MAX_BLOCKS, Cell
from gradmark.benchmarks.measurement.moments import Moments, merged
from gradmark.benchmarks.measurement.quantities import Quantity, ratio
from gradmark.benchmarks.measurement.total_variance import total_variance
from gradmark.benchmarks.studies.stopping import narrow
from gradmark.benchmarks.trust.cells import HARD, ORDINARY, QUADRATIC, HeavyTail, TrustCell
from gradmark.benchmarks.trust.seeds import Row
from gradmark.benchmarks.trust.seeds import counted as over_seeds

SIZES = (1024, 4096, 16384)
WIDTH = 0.1  # of --rel-ci


@dataclass(frozen=True)
class Counts:
    """Of so many runs: those with an interval, and those whose interval holds the truth."""

    runs: int
    printed: int
    held: int

    def row(self, name: str, size: str) -> str:
        """A line of the table."""
        share = f"{self.held / self.printed:.3f}" if self.printed else "–"
        return f"| {name} | {size} | {self.printed / self.runs:.3f} | {share} | {self.missed:.3f} |"

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.runs + other.runs, self.printed + other.printed, self.held + other.held)

    @property
    def missed(self) -> float:
        """The share of runs whose interval does not hold the truth."""
        return (self.printed - self.held) / self.runs


def counted(quantities: list[Quantity], truth: float) -> Counts:
    """How many quantities have an interval, and how many of these hold the truth."""
    ends = [quantity.ci for quantity in quantities if quantity.ci is not None]
    return Counts(len(quantities), len(ends), sum(low <= truth <= high for low, high in ends))


def totals(cell: TrustCell, size: int, seeds: range) -> Counts:
    """The total variance of a cell over these seeds, judged without its exact value."""
    return counted([total_variance(merged(blocks)) for blocks in cell.samples(size, seeds)], cell.truth)


def paired(top: TrustCell, bottom: TrustCell, size: int, seeds: range) -> Counts:
    """The paired ratio of two cells that see the same draws, where both have an interval of their own."""
    quantities = []
    for pair in zip(top.samples(size, seeds), bottom.samples(size, seeds), strict=True):
        moments = [merged(blocks) for blocks in pair]
        trusted = all(total_variance(each).withheld is None for each in moments)
        quantities.append(ratio(moments[0].traces[:, 0], moments[1].traces[:, 0]) if trusted else Quantity(None))
    return counted(quantities, top.truth / bottom.truth)


def stopped(cell: TrustCell, seeds: range, most: int = MAX_BLOCKS) -> Counts:
    """The total variance of a cell that runs until its interval is within WIDTH of the value."""
    asked = Cell(str(cell.problem), cell.estimator, cell.num_samples, replicates=None, rel_ci=WIDTH)
    quantities = []
    for seed in seeds:
        blocks: list[Moments] = []
        for block in cell.stream(seed, most):
            blocks.append(block)
            if narrow(asked, blocks):
                break
        quantities.append(total_variance(merged(blocks)))
    return counted(quantities, cell.truth)


def rows(seeds: int, stopping_seeds: int) -> list[Row[Counts]]:
    """The table's rows: total variances, ratios, and runs that stop at a relative width."""
    listed = [
        Row(str(cell), str(size), partial(totals, cell, size), seeds) for cell in (*ORDINARY, *HARD) for size in SIZES
    ]
    top, bottom = (TrustCell(QUADRATIC, name, 2) for name in ("ScoreFunction()", "LeaveOneOut()"))
    name = f"ratio of {top} to LeaveOneOut()"
    listed += [Row(name, str(size), partial(paired, top, bottom, size), seeds) for size in SIZES]
    if stopping_seeds:
        heavy = TrustCell(HeavyTail(0.2), "ScoreFunction()", variance=0.2**-1.5)
        stopping = [(cell, partial(stopped, cell)) for cell in (ORDINARY[0], heavy)]
        listed += [Row(str(cell), f"--rel-ci {WIDTH}", count, stopping_seeds) for cell, count in stopping]
    return listed


@click.command()
@click.option("--seeds", default=400, show_default=True, type=click.IntRange(1))
@click.option("--stopping-seeds", default=100, show_default=True, type=click.IntRange(0))
@click.option("--processes", default=2, show_default=True, type=click.IntRange(1))
def main(seeds: int, stopping_seeds: int, processes: int) -> None:
    """Count how often intervals hold the truth."""
    print(f"{seeds} seeds each ({stopping_seeds} of --rel-ci {WIDTH}); numpy {np.__version__}, ", end="")
    print(f"torch {torch.__version__}, Python {platform.python_version()}\n")
    print("| cell | replicates | interval printed | of these hold the truth | printed and wrong |")
    print("|---|---|---|---|---|")
    for row, counts in over_seeds(rows(seeds, stopping_seeds), processes):
        print(counts.row(row.name, row.size), flush=True)


if __name__ == "__main__":
    main()
