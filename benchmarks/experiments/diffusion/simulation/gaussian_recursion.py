"""Gaussian data: every reverse step is affine, so the law of its end is a recursion for a mean and a variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Levels


@dataclass(frozen=True)
class Moments:
    """Mean and variance of each axis, `[d]`."""

    mean: np.ndarray
    variance: np.ndarray


def start(data: Moments, levels: Levels) -> Moments:
    """p_T of N(m, c²): N(m, c² + v_T)."""
    return Moments(data.mean, data.variance + levels[-1])


def chain(
    data: Moments, begin: Moments, levels: Levels, variances: Float[np.ndarray, " steps"], strength: float = 1.0
) -> Moments:
    """The end of the reverse chain for data N(m, c²), whose score is −(x − m)/(c² + v_t), times `strength`.

    With a_t = 1 − strength · σ_t²/(c² + v_t):  mean_{t−1} − m = a_t (mean_t − m),  var_{t−1} = a_t² var_t + ρ_t
    """
    offset, variance = begin.mean - data.mean, begin.variance
    for t in range(len(levels) - 1, 0, -1):
        shrink = 1 - strength * (levels[t] - levels[t - 1]) / (data.variance + levels[t])
        offset, variance = shrink * offset, shrink**2 * variance + variances[t - 1]
    return Moments(data.mean + offset, variance)


def flow(data: Moments, begin: Moments, levels: Levels) -> Moments:
    """The end of the exact probability flow: x_0 − m = √(c²/(c² + v_T)) (x_T − m), which is p_0 from p_T."""
    gain = data.variance / (data.variance + levels[-1])
    return Moments(data.mean + np.sqrt(gain) * (begin.mean - data.mean), gain * begin.variance)


def heun(data: Moments, begin: Moments, levels: Levels) -> Moments:
    """The end of Heun's rule for the probability flow.

    With b_t = σ_t²/(2(c² + v_t)) and b'_t = σ_t²/(2(c² + v_{t−1})) a step multiplies by 1 − (b_t + b'_t (1 − b_t))/2.
    """
    gain = np.ones_like(data.variance)
    for t in range(len(levels) - 1, 0, -1):
        half = (levels[t] - levels[t - 1]) / 2
        first, second = half / (data.variance + levels[t]), half / (data.variance + levels[t - 1])
        gain = gain * (1 - (first + second * (1 - first)) / 2)
    return Moments(data.mean + gain * (begin.mean - data.mean), gain**2 * begin.variance)
