"""The reverse process: from p_T back to p_0 by the score, one step of the chain at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Points
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Levels, increasing
from gradmark.benchmarks.experiments.diffusion.simulation.scores import Score


def anderson(levels: Levels) -> Float[np.ndarray, " steps"]:
    """σ_t², the forward step's own variance: Euler's rule for the reverse-time diffusion.

    With the added variance v as its clock the chain becomes dx = dw in the limit, and its reverse, run from v_T down,

        dx = ∇ log p_v(x) dv + dw,      Euler: x_{t−1} = x_t + σ_t² ∇ log p_t(x_t) + σ_t ξ

    Reference: anderson1982
    """
    return np.diff(increasing(levels))


def ancestral(levels: Levels) -> Float[np.ndarray, " steps"]:
    """σ_t² v_{t−1}/v_t, the variance of x_{t−1} given x_t and x_0 ("posterior variance"; 0 in the last step).

    Given both, the mean of x_{t−1} is x_t + (σ_t²/v_t)(x_0 − x_t); with x_0 replaced by its expectation given x_t,
    which is x_t + v_t ∇ log p_t(x_t) (Tweedie), this is Anderson's mean: in the note's chain the two rules have the
    same mean and differ in nothing but the variance.

    Reference: ho2020
    """
    return np.diff(increasing(levels)) * levels[:-1] / levels[1:]


REVERSE_VARIANCES: dict[str, Callable[[Levels], np.ndarray]] = {"anderson": anderson, "ancestral": ancestral}


def reverse_mean(x: Points, score: Score, levels: Levels, t: int) -> Points:
    """x_t + σ_t² s(x_t): where step t of the reverse process is centred."""
    return x + (levels[t] - levels[t - 1]) * score(x, levels[t])


def reverse_chain(
    start: Points, score: Score, levels: Levels, variances: Float[np.ndarray, " steps"], draw: np.random.Generator
) -> Iterator[Points]:
    """x_T = `start`, x_{T−1}, …, x_0 of independent chains: x_{t−1} = x_t + σ_t² s(x_t) + √ρ_t ξ.

    `variances` are the ρ_1 … ρ_T, by `anderson` or `ancestral`. The law of x_0 tends to p_0 with an error of order 1/T
    for the exact score and a start from p_T.
    """
    x = start
    yield x
    for t in range(len(levels) - 1, 0, -1):
        x = reverse_mean(x, score, levels, t) + np.sqrt(variances[t - 1]) * draw.standard_normal(x.shape)
        yield x


def reverse_sample(
    start: Points, score: Score, levels: Levels, variances: Float[np.ndarray, " steps"], draw: np.random.Generator
) -> Points:
    """The end x_0 of `reverse_chain`."""
    *_, end = reverse_chain(start, score, levels, variances, draw)
    return end
