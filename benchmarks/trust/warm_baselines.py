"""How often the interval of a warm baseline's variance holds the mean over warm-ups: `python -m ….warm_baselines`."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version

import click
from scipy import stats

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.execution.prepare import Ready
from gradmark.benchmarks.measurement.block import Setting, block_size, measure_block, threads, warm_states
from gradmark.benchmarks.measurement.moments import merged
from gradmark.benchmarks.measurement.quantities import LEVEL, Quantity, positive
from gradmark.benchmarks.store.records import together

WARM_UPS = 2**12  # of the truth
EACH = 32  # replicates of the truth that each of these serves
CASES = (
    ("BernoulliToy()", "MovingAverageBaseline()", 2),
    ("GaussianToy(k=-3.0)", "MovingAverageBaseline()", 1),
    ("CategoricalToy()", "MovingAverageBaseline()", 1),
    ("LinearGaussian(latents=1, observed=2, rows=2)", "NVIL()", 1),
    ("BernoulliToy(probs=(0.3,))", "REBAR()", 1),
)


@dataclass(frozen=True)
class Coverage:
    """How many intervals of how many hold the truth: of groups warmed up by themselves, and of one frozen warm-up."""

    truth: float
    seeds: int
    held: int
    frozen: int


def ready(problem: str, estimator: str, num_samples: int, seed: int) -> Ready:
    """A warm cell at the initial parameters."""
    found = specs.problem(problem)
    setting = Setting(found, specs.estimator(estimator), num_samples, found.init())
    cell = Cell(problem, estimator, num_samples, seed=seed, state="warm")
    return Ready(cell, setting, block_size(found, num_samples, setting.params), "init")


def truth(problem: str, estimator: str, num_samples: int, count: int = WARM_UPS) -> float:
    """The total variance, averaged over many warm-ups that no interval has seen."""
    cell = ready(problem, estimator, num_samples, seed=0)
    states = warm_states(cell.setting, count, cell.seed("warm-ups of the truth"))
    found = measure_block(cell.setting, count * EACH, cell.seed("truth"), states)
    return float(found.traces[:, 0].mean())


def interval(cell: Ready, blocks: int, frozen: bool = False) -> Quantity:
    """The total variance as a run measures it; with `frozen`, around one warm-up as if there were no other."""
    if frozen:
        one = warm_states(cell.setting, 1, cell.seed("warm-up"))
        found = [measure_block(cell.setting, cell.size, cell.seed(index), one) for index in range(blocks)]
    else:
        found = [measure_block(cell.setting, cell.size, cell.seed(i), cell.warm(i)) for i in range(blocks)]
        found = together(cell.cell, found)
    return positive(merged(found).traces[:, 0])


def coverage(problem: str, estimator: str, num_samples: int, seeds: int, blocks: int) -> Coverage:
    """Counts over `seeds` seeds, each of `blocks` blocks."""
    right = truth(problem, estimator, num_samples)
    counts = dict.fromkeys((False, True), 0)
    for seed in range(seeds):
        for frozen in counts:
            low, high = interval(ready(problem, estimator, num_samples, seed), blocks, frozen).ci or (0.0, 0.0)
            counts[frozen] += low <= right <= high
    return Coverage(right, seeds, counts[False], counts[True])


def _bounds(held: int, seeds: int) -> str:
    found = stats.binomtest(held, seeds).proportion_ci(0.95, "exact")
    return f"{held / seeds:.3f} [{found.low:.3f}, {found.high:.3f}]"


@click.command()
@click.option("--seeds", type=click.IntRange(2), default=200, show_default=True)
@click.option("--blocks", type=click.IntRange(1), default=4, show_default=True, help="Of 4096 replicates each.")
def main(seeds: int, blocks: int) -> None:
    """Print the coverage as a table of Markdown."""
    click.echo(f"Coverage of {LEVEL:.0%} intervals, seeds 0 to {seeds - 1}, {blocks} blocks each; ", nl=False)
    click.echo(f"torch {version('torch')}, Python {platform.python_version()}\n")
    click.echo(
        "| problem | estimator | draws | truth | warmed by group | one warm-up frozen |\n|---|---|---|---|---|---|"
    )
    with threads(1):
        for problem, estimator, count in CASES:
            found = coverage(problem, estimator, count, seeds, blocks)
            cells = (f"{found.truth:.4g}", _bounds(found.held, seeds), _bounds(found.frozen, seeds))
            click.echo(f"| `{problem}` | `{estimator}` | {count} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
