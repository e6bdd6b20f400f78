"""How often right methods are called biased, and how often a visible bias is found.

The level is .001 over all coordinates of a run: of 400 runs, 4 or more false alarms have a probability of 8e-4. Power
is counted at the minimum detectable bias that the run itself states, put into one coordinate; it is meant to be .9.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from functools import partial

import click
import numpy as np
import torch

from gradmark.benchmarks.measurement.bias_test import Bias, Known, assess_bias
from gradmark.benchmarks.measurement.moments import Moments, merged
from gradmark.benchmarks.problems import BernoulliToy
from gradmark.benchmarks.trust.cells import ORDINARY, RARE_BUMP, OneOfMany, TrustCell
from gradmark.benchmarks.trust.seeds import Row, counted

SIZES = (1024, 4096, 16384)
RIGHT = (
    TrustCell(RARE_BUMP, "ScoreFunction()"),
    TrustCell(BernoulliToy((0.002,)), "LeaveOneOut()", 2),
    TrustCell(BernoulliToy((0.002,)), "ScoreFunction()"),
    TrustCell(BernoulliToy((1e-5,)), "ScoreFunction()"),
    *ORDINARY,
)
MANY = tuple(
    TrustCell(OneOfMany(), method, samples)
    for method, samples in (("ScoreFunction()", 1), ("ScoreFunction()", 4), ("LeaveOneOut()", 2), ("REBAR()", 1))
)


@dataclass(frozen=True)
class Counts:
    """Of so many runs: those called biased, those untested, the coordinates left out, and visible biases found."""

    runs: int
    biased: int
    untested: int
    left_out: float  # of the coordinates of a run, summed over runs
    tested: int  # runs of which no coordinate is left out
    found: int | None  # of these

    def __add__(self, other: Counts) -> Counts:
        found = None if self.found is None or other.found is None else self.found + other.found
        return Counts(
            self.runs + other.runs,
            self.biased + other.biased,
            self.untested + other.untested,
            self.left_out + other.left_out,
            self.tested + other.tested,
            found,
        )

    def row(self, name: str, size: str) -> str:
        """A line of the table."""
        power = "" if self.found is None else f"{self.found / max(self.tested, 1):.3f}"
        return f"| {name} | {size} | {self.biased} | {self.untested} | {self.left_out / self.runs:.3f} | {power} |"


def judged(cell: TrustCell, moments: Moments) -> Bias:
    """The result of the bias test that `measure` gives where no exact variance is known."""
    exact = cell.setting.exact
    assert exact is not None, f"{cell}: a count takes an exact gradient"
    truth = exact.numpy()
    rounding = 64 * 2.0**-52 * max(1.0, float(np.abs(truth).max()))
    sizes = [value.numel() for value in cell.setting.params.values()]
    return assess_bias(moments, truth, rounding, False, Known(_scale(cell, moments), sizes))


def _scale(cell: TrustCell, moments: Moments) -> float:
    objective = cell.problem.exact(cell.setting.params)
    return max(0.0 if objective is None else abs(float(objective)), float(np.abs(moments.mean).max()))


def count(cell: TrustCell, size: int, seeds: range) -> Counts:
    """What the bias test finds in independent runs, without a bias and, for an ordinary cell, with a detectable one."""
    biased = untested = whole = found = 0
    left_out = 0.0
    for blocks in cell.samples(size, seeds):
        moments = merged(blocks)
        bias = judged(cell, moments)
        biased += bias.verdict == "biased"
        untested += bias.verdict == "untested"
        left_out += (bias.untested_coordinates or 0) / len(moments.mean)
        if cell.ordinary and bias.minimum_detectable is not None and not bias.untested_coordinates:
            whole += 1
            off = np.zeros_like(moments.mean)
            off[int(np.argmax(moments.second))] = bias.minimum_detectable
            found += judged(cell, replace(moments, mean=moments.mean + off)).verdict == "biased"
    return Counts(len(seeds), biased, untested, left_out, whole, found if cell.ordinary else None)


def rows(seeds: int, many_seeds: int) -> list[Row[Counts]]:
    """The table's rows: right methods, and one of many categories where seeds are given for it."""
    listed = [Row(str(cell), str(size), partial(count, cell, size), seeds) for cell in RIGHT for size in SIZES]
    if many_seeds:
        note = f" ({many_seeds} seeds)"
        listed += [Row(f"{cell}{note}", str(n), partial(count, cell, n), many_seeds) for cell in MANY for n in SIZES]
    return listed


@click.command()
@click.option("--seeds", default=400, show_default=True, type=click.IntRange(1))
@click.option("--many-seeds", default=20, show_default=True, type=click.IntRange(0), help="of one of 1 000 categories")
@click.option("--processes", default=2, show_default=True, type=click.IntRange(1))
def main(seeds: int, many_seeds: int, processes: int) -> None:
    """Count false alarms and power of the bias test."""
    print(f"{seeds} seeds each ({many_seeds} of OneOfMany); numpy {np.__version__}, ", end="")
    print(f"torch {torch.__version__}, Python {platform.python_version()}\n")
    print("| right method | replicates | called biased | untested | coordinates left out | visible bias found |")
    print("|---|---|---|---|---|---|")
    for row, counts in counted(rows(seeds, many_seeds), processes):
        print(counts.row(row.name, row.size), flush=True)


if __name__ == "__main__":
    main()
