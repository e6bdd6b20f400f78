"""The probability flow: an ordinary differential equation with the path's own marginals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Points
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Levels, increasing
from gradmark.benchmarks.experiments.diffusion.simulation.scores import Score


def probability_flow(x: Points, score: Score, levels: Levels, *, stop: float = 0.0, tolerance: float = 1e-10) -> Points:
    """The solution at v = `stop`, 0 at the data, of dx/dv = −½ ∇ log p_v(x) from x at v_T, by DOP853.

    The density moves by ∂p/∂v = −∇·(p ẋ) = ½ Δp, which is what the noise does to it: if x ~ p_T, the end is p_0's.
    Raises ValueError where the solver cannot go on.

    Reference: song2021
    """
    if stop == increasing(levels)[-1]:
        return x
    found = solve_ivp(
        lambda v, flat: -score(flat.reshape(x.shape), max(v, 0.0)).ravel() / 2,
        (levels[-1], stop), x.ravel(), method="DOP853", t_eval=[stop], rtol=tolerance, atol=tolerance,
    )  # fmt: skip
    if not found.success:
        raise ValueError(f"probability_flow(tolerance={tolerance}): {found.message}; loosen the tolerance")
    return found.y[:, -1].reshape(x.shape)


def euler(x: Points, score: Score, levels: Levels) -> Points:
    """One evaluation of the score a step, on the schedule's levels; of order 1."""
    for t in range(len(levels) - 1, 0, -1):
        x = x + (levels[t] - levels[t - 1]) * score(x, levels[t]) / 2
    return x


def heun(x: Points, score: Score, levels: Levels) -> Points:
    """The mean of the slopes at both ends of a step, the second at where the first leads; of order 2.

    Reference: karras2022
    """
    for t in range(len(levels) - 1, 0, -1):
        step, slope = levels[t] - levels[t - 1], score(x, levels[t]) / 2
        x = x + step * (slope + score(x + step * slope, levels[t - 1]) / 2) / 2
    return x


FLOWS: dict[str, Callable[[Points, Score, Levels], np.ndarray]] = {"euler": euler, "heun": heun}
