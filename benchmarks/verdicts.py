"""The two verdicts on a gradient: is it biased, and is its tail too heavy for its variance to be believed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.moments import Array, Moments

FAMILY_LEVEL = 0.001  # chance of calling an unbiased estimator biased, over all coordinates together
POWER = 0.9  # chance of seeing a bias of the size that is reported as the smallest detectable
FEWEST_FOR_BIAS = 1024  # replicates; fewer leave Student's t too far from normal on skewed gradients
FEWEST_FOR_TAIL = 4096
BIAS_REPLICATES = 16384  # fixed beforehand: "run until it agrees" accepts biased estimators


@dataclass(frozen=True)
class Bias:
    """Whether the mean gradient is the exact one, and how small a bias would have been seen."""

    verdict: str  # "unbiased" | "biased" | "untested"
    level: float = FAMILY_LEVEL
    max_abs_z: float | None = None
    p_value: float | None = None  # family-wise
    minimum_detectable: float | None = None  # in one coordinate, with probability POWER
    coordinate: int | None = None  # the worst one, in the flattened gradient
    size: float | None = None  # the difference to the exact gradient there
    reason: str | None = None  # why it is untested


def judge_bias(moments: Moments, exact: Array | None, rounding: float, deterministic: bool) -> Bias:
    """Hall's skewness-corrected t for each coordinate, the largest against the family-wise level.

    T = √n [U + γU²/3 + γ²U³/27 + γ/(6n)], U = (mean − exact)/sd, γ the skewness: standard normal to O(1/n). A
    difference within `rounding` (an absolute number) counts as none. A gradient that is the same every time is
    compared once.

    Reference: On the Removal of Skewness by Transformation, Peter Hall, 1992.
    """
    reason = _untested(moments, exact, deterministic)
    if exact is None or reason is not None:
        return Bias("untested", reason=reason)
    count = moments.units
    sd = np.sqrt(moments.second / count)
    difference = moments.mean - exact
    excess = np.sign(difference) * np.maximum(np.abs(difference) - rounding, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.where(excess == 0, 0.0, excess / sd)
        skewness = np.where(sd > 0, moments.third / count / sd**3, 0.0)
        hall = u + skewness * u**2 / 3 + skewness**2 * u**3 / 27 + skewness / (6 * count)
    z = np.where(excess == 0, 0.0, math.sqrt(count) * np.where(np.isinf(u), u, hall))
    worst = int(np.argmax(np.abs(z)))
    p_value = -math.expm1(len(z) * math.log1p(-min(2 * float(stats.norm.sf(abs(z[worst]))), 1 - 1e-16)))
    critical = float(stats.norm.isf(FAMILY_LEVEL / (2 * len(z)))) + float(stats.norm.ppf(POWER))
    return Bias(
        verdict="biased" if p_value < FAMILY_LEVEL else "unbiased",
        max_abs_z=_finite(abs(float(z[worst]))),
        p_value=p_value,
        minimum_detectable=float(critical * sd.max() / math.sqrt(count)) + rounding,
        coordinate=worst,
        size=float(difference[worst]),
    )


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
        return f"{moments.replicates} replicates; the verdict needs {FEWEST_FOR_BIAS}"
    return None


@dataclass(frozen=True)
class Tail:
    """The shape of the generalised Pareto distribution fitted to the largest |g − mean|²."""

    khat: float | None
    verdict: str | None  # "light" | "heavy" | "the variance may not exist"
    stderr: float | None = None  # of khat: (1 + k)/√n for n exceedances


def judge_tail(deviations: Array) -> Tail:
    """k-hat of the largest 3√R of |g − mean|²: below ½ its own variance exists, below 1 its mean, the variance of g.

    Reference: Pareto Smoothed Importance Sampling, Aki Vehtari, Daniel Simpson, Andrew Gelman, Yuling Yao,
    Jonah Gabry, 2024.
    """
    count = len(deviations)
    if count < FEWEST_FOR_TAIL:
        return Tail(None, None)
    largest = np.sort(deviations)[-math.ceil(min(0.2 * count, 3 * math.sqrt(count))) - 1 :]
    exceedances = largest[1:] - largest[0]
    if exceedances[0] <= 1e-12 * largest[-1]:  # all alike: a gradient of finitely many values has no tail to fit
        return Tail(None, "light")
    khat = float(stats.genpareto.fit(exceedances / exceedances.mean(), floc=0)[0])
    verdict = "light" if khat < 0.5 else "heavy" if khat < 1 else "the variance may not exist"
    return Tail(khat, verdict, max(1 + khat, 0.0) / math.sqrt(len(exceedances)))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
