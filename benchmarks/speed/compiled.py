"""What `torch.compile` makes of a block's estimate: `python -m gradmark.benchmarks.speed.compiled`.

The estimate is compiled for one size of block, with every parameter lifted, since a compiler does not see layers that
share their weights. Both versions then take turns. What compiling costs is paid once for each cell of a study.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from gradmark.benchmarks.experiments.speed import works
from gradmark.benchmarks.experiments.speed.contenders import Contender
from gradmark.benchmarks.experiments.speed.rounds import interleaved
from gradmark.benchmarks.experiments.speed.works import Work
from gradmark.benchmarks.measurement.block import block_size, threads
from gradmark.benchmarks.measurement.lifting import lifted
from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.measurement.quantities import Quantity, median
from gradmark.benchmarks.studies import provenance
from gradmark.estimators.core import Params

ROUNDS = 15
TURN_SECONDS = 0.3
SEED = 0
HOST = torch.device("cpu")

Estimating = Callable[[Params], Params]


@dataclass(frozen=True)
class Compiled:
    """Seconds of a replicate in each version, their ratio within rounds, and the seconds that compiling took."""

    plain: Quantity
    compiled: Quantity
    ratio: Quantity  # above 1 where the compiled version is faster
    compiling: float

    @property
    def break_even(self) -> float | None:
        """Replicates after which compiling has paid for itself; None where no interval says that it ever does."""
        if self.ratio.ci is None or self.ratio.ci[0] <= 1 or not self.plain.value or not self.ratio.value:
            return None
        return self.compiling / (self.plain.value * (1 - 1 / self.ratio.value))


def compare(work: Work, rounds: int = ROUNDS, turn_seconds: float = TURN_SECONDS) -> Compiled:
    """Compile the work's estimate, and time both versions in turn."""
    setting = work.setting(HOST)
    size = block_size(setting.problem, setting.num_samples, setting.params)
    params = lifted(setting.params, size)

    def plain(params: Params) -> Params:
        return setting.estimator.estimate(setting.problem, params, (), setting.num_samples).gradient

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the parts that are left as they are
        torch._dynamo.reset()  # what other works left behind
        fast: Estimating = torch.compile(plain)
        start = time.perf_counter()
        fast(params)
        compiling = time.perf_counter() - start
        versions = [_contender(name, each, params, size) for name, each in (("plain", plain), ("compiled", fast))]
        one, other = interleaved(versions, rounds, turn_seconds, SEED).timed
    return Compiled(median(one.seconds), median(other.seconds), median(one.seconds / other.seconds), compiling)


def _contender(name: str, estimate: Estimating, params: Params, size: int) -> Contender:
    def turn(replicates: int, seed: int) -> Array:
        for _ in range(replicates // size):
            estimate(params)
        return np.zeros(1)  # no variance is measured

    return Contender(name, turn, size)


def row(name: str, found: Compiled) -> str:
    """One line of the table."""
    low, high = found.ratio.ci or (None, None)
    plain, compiled = ((each.value or 0.0) * 1e6 for each in (found.plain, found.compiled))
    enough = "never" if found.break_even is None else f"{found.break_even:,.0f}"
    ratio = f"{found.ratio.value:.2f} [{low:.2f}, {high:.2f}]"
    return f"| {name} | {plain:,.3g} | {compiled:,.3g} | {ratio} | {found.compiling:.1f} | {enough} |"


def main() -> None:
    """Print a row for each work, as Markdown."""
    heads = "| work | µs, as it is | µs, compiled | times as fast | seconds to compile | replicates that pay for it |"
    print(f"{heads}\n|{' --- |' * 6}")
    with threads(1):
        for name in works.NAMES:
            print(row(name, compare(works.work(name))), flush=True)
    facts = provenance.gather()
    print(f"\n{facts['processor']}, 1 thread, float32, {ROUNDS} rounds;", end=" ")
    print(f"Python {facts['python']}, torch {facts['versions']['torch']}. A replicate's estimate without its fold.")


if __name__ == "__main__":
    main()
