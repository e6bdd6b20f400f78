"""The bias test: whether a mean gradient is biased, in how many coordinates, and the smallest detectable bias."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradmark.benchmarks.measurement.contributions import effective_contributions, fewest_contributions
from gradmark.benchmarks.measurement.moments import Array, Moments
from gradmark.benchmarks.measurement.quantiles import normal_isf, normal_ppf, normal_sf

Mask = NDArray[np.bool_]

FAMILY_LEVEL = 0.001  # chance of calling an unbiased estimator biased, over all coordinates together
POWER = 0.9  # chance of seeing a bias of the size that is reported as the smallest detectable, here and in checks
FEWEST_FOR_BIAS = 1024  # replicates; fewer leave Student's t too far from normal on skewed gradients
GROSS = 32  # times what an unseen event of the size of those seen could explain


@dataclass(frozen=True)
class Bias:
    """Whether the mean gradient is the exact one, and how small a bias would have been seen."""

    verdict: str  # "unbiased" | "biased" | "untested"
    level: float = FAMILY_LEVEL
    max_abs_z: float | None = None
    p_value: float | None = None  # family-wise
    minimum_detectable: float | None = None  # in one tested coordinate, with probability POWER
    coordinate: int | None = None  # the worst one, in the flattened gradient
    size: float | None = None  # the difference to the exact gradient there
    reason: str | None = None  # why it is untested
    coordinates: int | None = None  # of the gradient
    untested_coordinates: int | None = None  # those left out of the family
    why_untested: str | None = None  # the reasons for these, each with its number


@dataclass(frozen=True)
class Known:
    """What else is known of a gradient: its scale, the sizes of its named tensors, its exact total variance."""

    scale: float = 0.0  # the largest number involved, such as the objective
    sizes: Sequence[int] = ()  # coordinates of each named tensor; () where all are one
    variance: float | None = None  # exact, of one unit and all coordinates together


def assess_bias(
    moments: Moments, exact: Array | None, rounding: float, deterministic: bool, known: Known | None = None
) -> Bias:
    """Hall's skewness-corrected t for each tested coordinate, the largest against the family-wise level.

    `CentralMoments.halls_t` has the formula. A difference within `rounding` (an absolute number) counts as none. A
    gradient that is the same every time is compared once.

    Reference: hall1992
    """
    reason = _untested(moments, exact, deterministic)
    if exact is None or reason is not None:
        return Bias("untested", reason=reason)
    known = known or Known(scale=float(np.abs([moments.mean, exact]).max(initial=0.0)))
    difference = moments.mean - exact
    excess = np.sign(difference) * np.maximum(np.abs(difference) - rounding, 0.0)
    z = moments.central.halls_t(excess)
    few, hidden, floor = _left_out(moments, excess, z, deterministic, known)
    tested = ~(few | hidden)
    if not tested.any():
        why = _reasons(moments, few, hidden, known.scale)
        return Bias("untested", reason=why, coordinates=len(z), untested_coordinates=len(z), why_untested=why)
    worst, count = int(np.argmax(np.where(tested, np.abs(z), -1.0))), int(tested.sum())
    p_value = _family_wise(abs(float(z[worst])), count)
    return Bias(
        verdict="biased" if p_value < FAMILY_LEVEL else "unbiased",
        max_abs_z=_finite(abs(float(z[worst]))),
        p_value=p_value,
        minimum_detectable=_detectable(moments, tested, floor) + rounding,
        coordinate=worst,
        size=float(difference[worst]),
        coordinates=len(z),
        untested_coordinates=len(z) - count,
        why_untested=_reasons(moments, few, hidden, known.scale) if count < len(z) else None,
    )


def _family_wise(z: float, count: int) -> float:
    """The probability that the largest of `count` independent standard normal numbers is beyond ±z."""
    return -math.expm1(count * math.log1p(-min(2 * float(normal_sf(z)), 1 - 1e-16)))


def _detectable(moments: Moments, tested: Mask, floor: Array) -> float:
    """The bias that would be seen with probability POWER in any one tested coordinate, and never below the floor."""
    critical = normal_isf(FAMILY_LEVEL / (2 * int(tested.sum()))) + normal_ppf(POWER)
    largest = np.sqrt(moments.second / moments.units)[tested].max()
    return max(float(critical * largest / math.sqrt(moments.units)), float(floor[tested].max(initial=0.0)))


def _left_out(moments: Moments, excess: Array, z: Array, deterministic: bool, known: Known) -> tuple[Mask, Mask, Array]:
    """The coordinates that too few replicates carry, those that an unseen event explains, and its size in the mean.

    An event that none of n replicates has seen has a probability below τ/n, τ = −log(level): it moves the mean by τ/n
    of its size at the most. The size is that of the largest contributions of the same named tensor. A difference below
    that is not proof of a bias. A coordinate that never varies is off by more than chance only where its difference is
    GROSS times what the contributions of all others could explain, or the scale of the problem, where none varies and
    they are not zero.
    """
    none = np.zeros(len(z), dtype=bool)
    if deterministic:
        return none, none, np.zeros(len(z))
    few: Mask = _contributions(moments) < fewest_contributions(FAMILY_LEVEL, len(z))
    constant = _constant(moments, known.scale)
    sizes = _event_sizes(moments, known)
    reach = -math.log(FAMILY_LEVEL / len(z)) / moments.units
    largest = float(sizes.max()) or (known.scale if _is_there(moments.mean, excess) else math.inf)
    certain = constant & ((excess == 0) | (np.abs(excess) > GROSS * reach * largest))
    if known.variance is not None:
        few |= moments.second.sum() < known.variance / 2 * (moments.units - 1)  # what makes the variance was not seen
        certain |= constant & (known.variance <= (1e-12 * known.scale) ** 2)
    few = (few | constant) & ~certain
    seen = 2 * normal_sf(np.abs(z)) < FAMILY_LEVEL
    return few, ~few & ~certain & seen & (np.abs(excess) <= reach * sizes), reach * sizes


def _is_there(mean: Array, excess: Array) -> bool:
    """Whether a mean is more than what is left of one whose draws have all missed what matters."""
    return bool(np.abs(mean).max() > 1e-3 * np.abs(mean - excess).max())


def _constant(moments: Moments, scale: float) -> Mask:
    """Which coordinates vary by rounding only."""
    return moments.second <= ((1e-15 * scale) ** 2 + (1e-13 * moments.mean) ** 2) * moments.units


def _contributions(moments: Moments) -> Array:
    """The effective number of replicates behind each variance; where only three moments were kept, at the most."""
    if len(moments.fourth) == len(moments.second):
        return effective_contributions(moments.second, moments.fourth)
    with np.errstate(divide="ignore", invalid="ignore"):
        most = moments.second / moments.third * moments.second / moments.third * moments.second
    return np.where(moments.second > 0, np.minimum(np.nan_to_num(most, nan=np.inf), moments.units), 0.0)


def _event_sizes(moments: Moments, known: Known) -> Array:
    """For each coordinate, the size of the largest contributions √(Σx⁴/Σx²) within its named tensor."""
    number = _contributions(moments)
    varies = (number > 0) & ~_constant(moments, known.scale)
    sizes = np.sqrt(np.divide(moments.second, number, out=np.zeros_like(number), where=varies))
    parts = np.split(sizes, np.cumsum(known.sizes or [len(sizes)])[:-1])
    return np.concatenate([np.full(len(part), part.max(initial=0.0)) for part in parts])


def _reasons(moments: Moments, few: Mask, hidden: Mask, scale: float) -> str:
    """Why coordinates are untested, each reason with the number of coordinates."""
    still = few & _constant(moments, scale)
    counts = (
        (still, f"no two of {moments.replicates} replicates differ"),
        (few & ~still, f"hardly any of {moments.replicates} replicates carries the variance"),
        (hidden, f"an event that {moments.replicates} replicates did not see explains the difference"),
    )
    reasons = [(int(which.sum()), text) for which, text in counts if which.any()]
    return reasons[0][1] if reasons[0][0] == len(few) else "; ".join(f"{count}: {text}" for count, text in reasons)


def _untested(moments: Moments, exact: Array | None, deterministic: bool) -> str | None:
    if exact is None:
        return "the exact gradient is not known"
    if not np.isfinite(exact).all():
        return "the exact gradient has NaN or infinite entries"
    if moments.nonfinite:
        return f"{moments.nonfinite} of {moments.replicates} replicates have NaN or infinite gradients"
    if not len(moments.mean):
        return "too many coordinates to keep the mean of each"
    if moments.replicates < FEWEST_FOR_BIAS and not deterministic:
        return f"{moments.replicates} replicates; the test needs {FEWEST_FOR_BIAS}"
    return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
