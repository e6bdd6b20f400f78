"""A block of a large network's gradients folded by inner products, against the fold of every coordinate.

`python -m gradmark.benchmarks.speed.folds` measures how many times less processor time it takes: the median over
interleaved rounds, with its interval, for two seeds and, as a control, for a fold against itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from gradmark.benchmarks.measurement.block import threads
from gradmark.benchmarks.measurement.fold import fold_coordinates
from gradmark.benchmarks.measurement.gram import fold_wide
from gradmark.benchmarks.measurement.moments import Moments
from gradmark.benchmarks.measurement.quantities import median
from gradmark.benchmarks.studies import provenance

SIZES = (784 * 500, 500, 500 * 20, 20, 500 * 20, 20, 20 * 500, 500, 500 * 784, 784)  # 784-500-20-500-784
REPLICATES = 8  # in a block of so many coordinates
ROUNDS = 31
SEEDS = (0, 1)

Fold = Callable[[list[Tensor], Tensor | None, bool], Moments]


def ratios(slow: Fold, fast: Fold, seed: int, rounds: int = ROUNDS) -> list[float]:
    """The processor time of one fold over that of the other, in each round; the first one warms up and is left out."""
    draw = torch.Generator().manual_seed(seed)
    gradient = [torch.randn(REPLICATES, size, generator=draw) for size in SIZES]
    return [_seconds(slow, gradient) / _seconds(fast, gradient) for _ in range(rounds + 1)][1:]


def _seconds(fold: Fold, gradient: list[Tensor]) -> float:
    start = time.process_time()
    fold(gradient, None, True)
    return time.process_time() - start


def main() -> None:
    """Print the ratios as a Markdown table, with what they were measured on."""
    print("| compared | seed | times less | 95 % interval |\n| --- | ---: | ---: | --- |")
    compared = {
        "by inner products": (fold_coordinates, fold_wide),
        "each coordinate, by chunks": (fold_coordinates, partial(fold_wide, each_coordinate=True)),
        "a fold and itself": (fold_wide, fold_wide),
    }
    with threads(1):
        for name, (slow, fast) in compared.items():
            for seed in SEEDS:
                found = median(np.array(ratios(slow, fast, seed)))
                low, high = found.ci or (math.nan, math.nan)
                print(f"| {name} | {seed} | {found.value:.2f} | {low:.2f} to {high:.2f} |")
    facts = provenance.gather()
    print(f"\n{facts['processor']}, 1 thread, float32, {REPLICATES} replicates of {sum(SIZES)} coordinates;", end=" ")
    print(f"Python {facts['python']}, torch {facts['versions']['torch']}; {ROUNDS} rounds.")


if __name__ == "__main__":
    main()
