"""How time and memory grow with replicates, latents and parameters: `python -m gradmark.benchmarks.speed.growth`.

Prints a table for each, with the exponent of the growth, and draws them into the file that `--figure` names. Time is
the processor's, the median over rounds in which all sizes take turns. Memory is the peak of torch's tensors, in a run
of its own, and the size of the moments that it returns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from gradmark.benchmarks.measurement.block import Setting, block_size, measure_block, threads
from gradmark.benchmarks.measurement.moments import Array, Moments, merged
from gradmark.benchmarks.measurement.peak_memory import peak_on_cpu
from gradmark.benchmarks.problems import BayesianLogisticRegression, BernoulliVAE, GaussianVAE
from gradmark.benchmarks.studies import provenance
from gradmark.estimators import LeaveOneOut, Reparameterization, ScoreFunction
from gradmark.estimators.core import Estimator, Problem

ROUNDS = 3
LAST = 4  # the largest sizes, to which the growth is fitted: there the fixed cost of a call no longer counts
LEVEL = 0.95
MIB = 2**20

Run = Callable[[], Moments]


@dataclass(frozen=True)
class Growth:
    """Seconds `[rounds, sizes]` and bytes `[sizes]` of a run of each size."""

    what: str  # that grows
    work: str  # that is run
    sizes: list[int]
    seconds: Array
    memory: Array

    @property
    def medians(self) -> Array:
        """Seconds of each size."""
        return np.median(self.seconds, axis=0)

    def exponent(self, values: Array) -> tuple[float, float, float]:
        """b of size^b through the last of `values`, and its interval."""
        fit: Any = stats.linregress(np.log(self.sizes[-LAST:]), np.log(values[-LAST:]))
        reach = float(stats.t.isf((1 - LEVEL) / 2, LAST - 2)) * fit.stderr
        return float(fit.slope), float(fit.slope - reach), float(fit.slope + reach)


def measured(what: str, work: str, runs: dict[int, Run], rounds: int = ROUNDS) -> Growth:
    """Run every size once for its memory, and then in turn for its time."""
    next(iter(runs.values()))()  # what is kept from the first call on belongs to no size
    memory = [_peak(run) for run in runs.values()]
    seconds = [[_seconds(run) for run in runs.values()] for _ in range(rounds)]
    return Growth(what, work, list(runs), np.array(seconds), np.array(memory, dtype=float))


def _seconds(run: Run) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _peak(run: Run) -> int:
    found: list[Moments] = []
    return peak_on_cpu(lambda: found.append(run())) + len(found[0].to_bytes())


def blocks(problem: Problem, estimator: Estimator, num_samples: int, replicates: int | None = None) -> Run:
    """Measure a cell in float32, with as many replicates or with one block."""
    params = {name: value.float() for name, value in problem.init().items()}
    setting = Setting(problem, estimator, num_samples, params)
    size = block_size(problem, num_samples, params)
    return partial(_blocks, setting, size, -(-(replicates or size) // size))


def _blocks(setting: Setting, size: int, count: int) -> Moments:
    return merged([measure_block(setting, size, seed) for seed in range(count)])


def works() -> list[tuple[str, str, dict[int, Run]]]:
    """What grows, what is run, and the runs by their size."""
    regression, images = BayesianLogisticRegression(), "10 images, one block"
    replicates = {4**k: blocks(regression, ScoreFunction(), 1, 4**k) for k in range(5, 11)}
    latents = {2**k: blocks(BernoulliVAE(latents=2**k, rows=10), LeaveOneOut(), 2) for k in range(1, 10)}
    networks = [GaussianVAE(data="mnist-5k", hidden=hidden, rows=10) for hidden in (1, 6, 64, 640, 6400)]
    parameters = {_parameters(each): blocks(each, Reparameterization(), 1) for each in networks}
    return [
        ("replicates", "logistic regression, ScoreFunction, 1 draw", replicates),
        ("latents", f"Bernoulli VAE, LeaveOneOut, 2 draws, {images}", latents),
        ("parameters", f"Gaussian VAE, Reparameterization, 1 draw, {images}", parameters),
    ]


def _parameters(problem: Problem) -> int:
    return sum(value.numel() for value in problem.init().values())


def table(growth: Growth) -> str:
    """The sizes of one growth, and their exponents, as Markdown."""
    lines = [f"| {growth.what} | seconds | MiB |", "| ---: | ---: | ---: |"]
    rows = zip(growth.sizes, growth.medians, growth.memory / MIB, strict=True)
    lines += [f"| {size:,} | {seconds:.3g} | {memory:.3g} |" for size, seconds, memory in rows]
    found = [growth.exponent(values) for values in (growth.medians, growth.memory)]
    lines += ["| exponent | " + " | ".join(exponent_line(*each) for each in found) + " |"]
    return "\n".join([f"{growth.work}:", "", *lines])


def exponent_line(value: float, low: float, high: float) -> str:
    """An exponent with its interval."""
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def drawn(growths: list[Growth]) -> Figure:
    """Seconds above and memory below, for each that grows, on logarithmic axes."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots(2, len(growths), sharex="col", squeeze=False)
    for column, growth in zip(axes.T, growths, strict=True):
        column[1].set_xlabel(growth.what)
        for axis, values, label in zip(
            column, (growth.medians, growth.memory / MIB), ("seconds", "MiB at the peak"), strict=True
        ):
            axis.loglog(growth.sizes, values, "o-", color="black", markersize=4)
            axis.loglog(growth.sizes, values[-1] * np.array(growth.sizes) / growth.sizes[-1], ":", color="gray")
            axis.set_ylabel(label)
    axes[0, 0].set_title("dotted: in proportion", fontsize=9, loc="left")
    return figure


def main() -> None:
    """Print the tables as Markdown, with what they were measured on, and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", type=Path, help="a PNG file")
    figure = parser.parse_args().figure
    with threads(1):
        growths = [measured(*each) for each in works()]
    print("\n\n".join(map(table, growths)))
    facts = provenance.gather()
    print(f"\n{facts['processor']}, 1 thread, float32, {ROUNDS} rounds, exponents of the last {LAST} sizes;", end=" ")
    print(f"Python {facts['python']}, torch {facts['versions']['torch']}.")
    if figure is not None:
        drawn(growths).savefig(figure, dpi=100)


if __name__ == "__main__":
    main()
