"""How often the test of a mean rejects what is right, and what is not.

Estimates of one coordinate are drawn from distributions whose mean is known: ordinary ones, log-normal and Pareto
tails, importance weights and rare events. Each is tested as `gradmark check` tests a mean by many replicates, with
and without the rule that enough replicates have to carry the variance. Printed are how many of the seeds were tested at
all, how many right means were rejected, and how many means that are off by the smallest detectable bias were rejected.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from dataclasses import dataclass

import click
import numpy as np

from gradmark.benchmarks.checks.two_stage_test import Sums, mean_test, two_stage_test
from gradmark.benchmarks.measurement.moments import Array

REPLICATES = 2**13  # of the first look; the one that decides has four times as many
LEVEL = 5e-5  # of one case of `gradmark check`
Sampler = Callable[[np.random.Generator, int], Array]


@dataclass(frozen=True)
class Distribution:
    """Estimates of a known mean."""

    name: str
    mean: float
    sample: Sampler
    ordinary: bool = False  # whether biases have to be seen


def _log_normal(sigma: float) -> Distribution:
    return Distribution(
        f"log-normal, σ = {sigma:g}", math.exp(sigma**2 / 2), lambda rng, count: rng.lognormal(0.0, sigma, count)
    )


def _pareto(index: float) -> Distribution:
    return Distribution(
        f"Pareto, tail index {index:g}", index / (index - 1), lambda rng, count: 1 + rng.pareto(index, count)
    )


def _shifted(shift: float) -> Distribution:
    """E z² under N(0, 1), from draws of N(shift, 1): the effective sample is exp(−shift²) of the draws."""

    def sample(rng: np.random.Generator, count: int) -> Array:
        z = rng.normal(shift, 1.0, count)
        return np.exp(shift**2 / 2 - shift * z) * z**2

    return Distribution(f"importance weights, 1 in {math.exp(shift**2):.3g} effective", 1.0, sample)


def _narrow(scale: float) -> Distribution:
    """E z² under N(0, 1), from draws that are narrower: the variance does not exist below 1/√2."""

    def sample(rng: np.random.Generator, count: int) -> Array:
        z = rng.normal(0.0, scale, count)
        return scale * np.exp((1 / scale**2 - 1) * z**2 / 2) * z**2

    return Distribution(f"importance weights, proposal {scale:g} as wide", 1.0, sample)


def _rare(events: float) -> Distribution:
    """An event that is expected so many times in the first test."""
    p = events / REPLICATES
    return Distribution(f"rare event, {events:g} expected", p, lambda rng, count: (rng.random(count) < p).astype(float))


def _score(rng: np.random.Generator, count: int) -> Array:
    """The score function on a quadratic cost."""
    noise = rng.normal(size=count)
    return (noise + 0.5) ** 2 * noise


DISTRIBUTIONS = (
    Distribution("normal", 0.0, lambda rng, count: rng.normal(size=count), True),
    Distribution("exponential", 1.0, lambda rng, count: rng.exponential(size=count), True),
    Distribution("score function, quadratic", 1.0, _score, True),
    _rare(500.0),
    *(_rare(events) for events in (0.1, 1.0, 3.0, 10.0, 30.0, 100.0)),
    *(_log_normal(sigma) for sigma in (0.5, 1.0, 2.0, 3.0, 4.0)),
    *(_pareto(index) for index in (1.2, 1.5, 2.1, 2.5, 3.5)),
    *(_shifted(shift) for shift in (1.0, 1.5, 2.0, 2.39)),
    *(_narrow(scale) for scale in (0.8, 0.6)),
)


@dataclass(frozen=True)
class Counts:
    """Of so many seeds: tested, right means rejected, rejected without the rule, and means rejected that are off."""

    seeds: int
    tested: int
    rejected: int
    without: int
    seen: int


def count(distribution: Distribution, seeds: int) -> Counts:
    """The test of a distribution's mean, with no bias and with the smallest detectable one."""
    tested = rejected = without = seen = 0
    for seed in range(seeds):
        detectable, found = _tested(distribution, seed, 0.0)
        tested += detectable > 0
        rejected += found
        without += _without(distribution, seed)
        seen += distribution.ordinary and _tested(distribution, seed, detectable)[1]
    return Counts(seeds, tested, rejected, without, seen)


def _sums(distribution: Distribution, seed: int, stage: int, count: int, bias: float = 0.0) -> Sums:
    sums = Sums(np.array([distribution.mean]))
    rng = np.random.default_rng([seed, stage, sum(map(ord, distribution.name))])
    sums.add(distribution.sample(rng, count)[:, None] + bias)
    return sums


def _tested(distribution: Distribution, seed: int, bias: float) -> tuple[float, bool]:
    """The smallest detectable bias, 0 where nothing is tested, and whether the mean is rejected."""
    sums, _, detectable = two_stage_test(
        lambda stage, count: _sums(distribution, seed, stage, count, bias), REPLICATES, LEVEL
    )
    test = mean_test(sums, LEVEL, sums.varies)
    return detectable if test.tested.any() else 0.0, test.p_value < LEVEL


def _without(distribution: Distribution, seed: int) -> bool:
    """Whether one sample of the first size rejects the mean where nothing is asked of the contributions."""
    return mean_test(_sums(distribution, seed, 0, REPLICATES), 1.0).p_value < LEVEL


@click.command()
@click.option("--seeds", default=400, show_default=True, type=click.IntRange(1))
def main(seeds: int) -> None:
    """Count the false alarms and the power of the test of a mean."""
    print(f"{seeds} seeds each, {REPLICATES} replicates, level {LEVEL:g}; numpy {np.__version__}, ", end="")
    print(f"Python {platform.python_version()}\n")
    print("| estimates | tested | right, rejected | without the rule | off by the smallest detectable bias, rejected |")
    print("|---|---|---|---|---|")
    for distribution in DISTRIBUTIONS:
        found = count(distribution, seeds)
        power = f"{found.seen / seeds:.3f}" if distribution.ordinary else ""
        print(f"| {distribution.name} | {found.tested} | {found.rejected} | {found.without} | {power} |", flush=True)


if __name__ == "__main__":
    main()
