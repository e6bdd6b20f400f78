"""Blocks of large networks measured with weights that all replicates share, against weights that each has of its own.

`python -m gradmark.benchmarks.speed.engines` measures how many times less processor time they take: the median over
interleaved rounds, with its interval, and, as a control, of blocks against themselves. Both give the same moments.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.measurement.block import Setting, block_size, measure_block, plan_for, threads
from gradmark.benchmarks.measurement.engines import Plan
from gradmark.benchmarks.measurement.quantities import median
from gradmark.benchmarks.studies import provenance

ROUNDS = 21
LIFTED = Plan(False)


class Case(NamedTuple):
    """A network, its rows and what is estimated on it."""

    problem: str
    estimator: str
    num_samples: int = 1


CLASSIC = 'GaussianVAE(data="mnist-5k", latents=20, hidden=500{rows})'  # 784-500-20-500-784
BINARY = 'BernoulliVAE(data="mnist-5k", latents=200)'
CASES = {
    "classic, minibatches of 100": Case(f"Minibatch({CLASSIC.format(rows='')})", "Reparameterization()"),
    "classic, minibatches of 10": Case(f"Minibatch({CLASSIC.format(rows='')}, size=10)", "Reparameterization()"),
    "classic, 100 rows": Case(CLASSIC.format(rows=", rows=100"), "Reparameterization()"),
    "200 bits, minibatches of 100, LeaveOneOut": Case(f"Minibatch({BINARY})", "LeaveOneOut()", 2),
    "200 bits, minibatches of 100, DisARM": Case(f"Minibatch({BINARY})", "DisARM()", 2),
    "200 bits, minibatches of 10, LeaveOneOut": Case(f"Minibatch({BINARY}, size=10)", "LeaveOneOut()", 2),
}


def setting_of(case: Case) -> Setting:
    """The cell in float32 at the network's initial parameters."""
    problem = specs.problem(case.problem)
    params = {name: value.float() for name, value in problem.init().items()}
    return Setting(problem, specs.estimator(case.estimator), case.num_samples, params)


def ratios(setting: Setting, slow: Plan, fast: Plan, rounds: int = ROUNDS) -> list[float]:
    """The processor time of a block by one plan over that by the other, in each round, on the same draws.

    They take turns to be the first; the first round warms up and is left out.
    """
    size = block_size(setting.problem, setting.num_samples, setting.params)
    found = []
    for number in range(rounds + 1):
        order = (slow, fast) if number % 2 else (fast, slow)
        seconds = [_seconds(setting, size, number, plan) for plan in order]
        found.append(
            seconds[order.index(slow)] / seconds[order.index(fast)] if slow != fast else seconds[0] / seconds[1]
        )
    return found[1:]


def _seconds(setting: Setting, size: int, seed: int, plan: Plan) -> float:
    start = time.process_time()
    measure_block(setting, size, seed, plan=plan)
    return time.process_time() - start


def main() -> None:
    """Print the ratios as a Markdown table, with what they were measured on."""
    print("| network | compared | times less | 95 % interval |\n| --- | --- | ---: | --- |")
    with threads(1):
        for name, case in CASES.items():
            setting = setting_of(case)
            shared = plan_for(setting, block_size(setting.problem, case.num_samples, setting.params))
            for compared, plan in (("lifted to shared", LIFTED), ("shared to itself", shared)):
                found = median(np.array(ratios(setting, plan, shared)))
                low, high = found.ci or (math.nan, math.nan)
                print(f"| {name} | {compared} | {found.value:.2f} | {low:.2f} to {high:.2f} |", flush=True)
    facts = provenance.gather()
    print(f"\n{facts['processor']}, 1 thread, float32; Python {facts['python']}, torch {torch.__version__};", end=" ")
    print(f"{ROUNDS} rounds of one block each.")


if __name__ == "__main__":
    main()
