"""Do two samples have one distribution? Permutation tests, whose false alarms are counted and not approximated."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist
from scipy.stats import binom

from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Points

Signs = Float[np.ndarray, "labellings n"]  # +1 for those called the first sample, −1 for the second
Statistic = Callable[[Points, Signs], np.ndarray]

PERMUTATIONS = 99
LEVEL = 0.05  # of one test: exact, as 99 relabellings and the true one make 100
FALSE_ALARM = 1e-3  # of the rule over several seeds, at most


def energy(pooled: Points, signs: Signs) -> Float[np.ndarray, " labellings"]:
    """2 mean‖x − y‖ − mean‖x − x'‖ − mean‖y − y'‖.

    Reference: szekely2013
    """
    return -_contrast(cdist(pooled, pooled), signs)


def maximum_mean_discrepancy(pooled: Points, signs: Signs) -> Float[np.ndarray, " labellings"]:
    """MMD² of the kernel exp(−‖x − y‖²/2b²), with b the median distance of the pooled sample.

    Reference: gretton2012
    """
    squared = cdist(pooled, pooled, "sqeuclidean")
    return _contrast(np.exp(-squared / 2 / np.median(squared[np.triu_indices(len(pooled), 1)])), signs)


def sliced_wasserstein(pooled: Points, signs: Signs) -> Float[np.ndarray, " labellings"]:
    """∫ |F_x − F_y| of the projections, averaged over 32 directions that are always the same.

    Reference: bonneel2015
    """
    views = np.random.default_rng(0).standard_normal((pooled.shape[1], 32))
    shadows = pooled @ (views / np.linalg.norm(views, axis=0))
    total = np.zeros(len(signs))
    for shadow in shadows.T:
        order = np.argsort(shadow)
        total += np.abs(np.cumsum(signs[:, order], axis=1)[:, :-1]) @ np.diff(shadow[order])
    return total / (len(pooled) / 2) / shadows.shape[1]


STATISTICS: dict[str, Statistic] = {
    "energy distance": energy,
    "sliced Wasserstein": sliced_wasserstein,
    "MMD": maximum_mean_discrepancy,
}


def _contrast(kernel: Float[np.ndarray, "m m"], signs: Signs) -> Float[np.ndarray, " labellings"]:
    """mean k(x, x') + mean k(y, y') − 2 mean k(x, y)."""
    return ((signs @ kernel) * signs).sum(1) / (len(kernel) / 2) ** 2


def p_values(first: Points, second: Float[np.ndarray, "m d"], draw: np.random.Generator) -> dict[str, float]:
    """For each statistic the share of relabellings, the true one included, under which it is as large as it is.

    Under one distribution all labellings are equally likely, so P(p ≤ .05) ≤ .05, whatever it is. Raises ValueError for
    samples of different sizes.
    """
    if first.shape != second.shape:
        raise ValueError(f"p_values: samples of shapes {first.shape} and {second.shape}; draw as many of each")
    pooled, true = np.concatenate([first, second]), np.repeat([1.0, -1.0], len(first))
    signs = np.stack([true, *(draw.permutation(true) for _ in range(PERMUTATIONS))])
    statistics = {name: statistic(pooled, signs) for name, statistic in STATISTICS.items()}
    return {name: float(np.mean(value >= value[0] * (1 - 1e-12))) for name, value in statistics.items()}


@dataclass(frozen=True)
class Rejections:
    """How many of the seeds' tests rejected, and how many it takes."""

    count: int
    seeds: int

    @property
    def threshold(self) -> int:
        """The least number of rejections that a true null reaches with probability `FALSE_ALARM` or less."""
        return int(binom.isf(FALSE_ALARM, self.seeds, LEVEL)) + 1

    @property
    def rejected(self) -> bool:
        """Whether the rule rejects that both samples have the same distribution."""
        return self.count >= self.threshold


def rejections_over_seeds(
    first: Callable[[np.random.Generator], Points], second: Callable[[np.random.Generator], Points], seeds: range
) -> dict[str, Rejections]:
    """The binomial rule: each seed draws both samples anew and tests once at `LEVEL`; rejections are counted."""
    rejections = dict.fromkeys(STATISTICS, 0)
    for seed in seeds:
        draw = np.random.default_rng(seed)
        for name, p in p_values(first(draw), second(draw), draw).items():
            rejections[name] += p <= LEVEL
    return {name: Rejections(count, len(seeds)) for name, count in rejections.items()}


def smallest_seen(
    sample: Callable[[np.random.Generator], Points], direction: Float[np.ndarray, " d"], seeds: range
) -> dict[str, float]:
    """The smallest shift of the data along a direction that each statistic's rule still rejects, to a tenth.

    A rule that passes says nothing without it: "no difference seen" means none like a shift above this. Bisected among
    1, 1/1.1, 1/1.1², … 1/1.1³¹; infinite where even 1 is not rejected.
    """

    @cache
    def shifted(power: int) -> dict[str, Rejections]:
        return rejections_over_seeds(sample, lambda draw: sample(draw) + 1.1**-power * direction, seeds)

    first_missed = {
        name: bisect_left(range(32), True, key=lambda power, name=name: not shifted(power)[name].rejected)
        for name in STATISTICS
    }
    return {name: 1.1 ** (1 - power) if power else math.inf for name, power in first_missed.items()}
