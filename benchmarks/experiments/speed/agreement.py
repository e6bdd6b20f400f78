"""Whether a peer measures the same variance: only then is its speed comparable."""

from __future__ import annotations

import math

import numpy as np

from gradmark.benchmarks.experiments.speed.rounds import Timed
from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.measurement.quantiles import t_isf
from gradmark.benchmarks.measurement.quantities import LEVEL, Quantity

ALPHA = 1e-4  # probability that a peer which measures the same is said not to, all tensors together


def agreement(peer: Timed, ours: Timed) -> Quantity:
    """The peer's total variance over gradmark's, with an interval."""
    ratio, stderr = (float(each[0]) for each in _ratios(peer, ours))
    reach = t_isf((1 - LEVEL) / 2, len(ours.traces) - 1) * stderr
    return Quantity(ratio, stderr, (max(ratio - reach, 0.0), ratio + reach))


def disagreement(peer: Timed, ours: Timed, names: list[str], what: str = "variance") -> str | None:
    """None where the variances (or `what`) agree, in total and in each named part; else where and by how much not.

    Student's t on the ratio of the means over rounds. A turn of a slow peer has few replicates, and a heavy tail may be
    missing from all of them. So its standard error is at least the one that as many of gradmark's replicates would
    have: where both measure the same, both have the same distribution.
    """
    ratio, stderr = _ratios(peer, ours)
    reach = t_isf(ALPHA / (2 * len(ratio)), len(ours.traces) - 1) * stderr
    for name, value, far in zip(["all", *names], ratio, np.abs(ratio - 1) > reach, strict=True):
        if far:
            return (
                f"{peer.name}'s {what} of {name} is {value:.3g} times gradmark's; they must be the same: one of the "
                "two is wrong, and no speed is reported"
            )
    return None


def _ratios(peer: Timed, ours: Timed) -> tuple[Array, Array]:
    """The ratio of variances and its standard error, of the total and of each tensor."""
    top, bottom = peer.traces.mean(0), ours.traces.mean(0)
    one, other = (_relative(each) for each in (peer, ours))
    fewer = math.sqrt(ours.replicates / peer.replicates)
    relative = np.hypot(np.maximum(one, other * fewer), other)
    both_zero = (top == 0) & (bottom == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(both_zero, 1.0, top / bottom)
    return ratio, np.where(both_zero, 0.0, relative)


def _relative(timed: Timed) -> Array:
    """The relative standard error of each mean over rounds."""
    mean = timed.traces.mean(0)
    spread = timed.traces.std(0, ddof=1) / math.sqrt(len(timed.traces))
    return np.where(mean > 0, spread / np.where(mean > 0, mean, 1.0), 0.0)
