"""Scores along a path: the exact one, and three that are wrong on purpose and must be found so."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Mixture, Points, gaussian
from gradmark.benchmarks.experiments.diffusion.simulation.point_mixture import PointMixture

KEPT = 256  # levels: a chain of so many steps makes no law twice, however often it is run
Score = Callable[[Points, float], Points]  # s(x, v) ≈ ∇ log p_v(x), with v the variance added so far


def exact(data: Mixture | PointMixture) -> Score:
    """∇ log p_v(x) of the data with noise of variance v; the laws of the last levels asked for are kept."""
    noised = lru_cache(KEPT)(data.noised)
    return lambda x, v: noised(v).score(x)


def halved(data: Mixture) -> Score:
    """Half the score: the reverse process pulls too weakly, and lands too wide."""
    score = exact(data)
    return lambda x, v: score(x, v) / 2


def moment_matched(data: Mixture) -> Score:
    """The score of the Gaussian of the same mean and covariance: the first two moments of p_0 come back, no more."""
    return exact(gaussian(data.mean, data.covariance))


def component_dropped(data: Mixture) -> Score:
    """The score of the mixture without its lightest component, which is then not found again.

    Raises ValueError for a mixture of one.
    """
    if len(data.weights) < 2:
        raise ValueError("component_dropped: this law has one component, and nothing would be left; pass a mixture")
    kept = np.arange(len(data.weights)) != np.argmin(data.weights)
    weights = data.weights[kept]
    return exact(Mixture(weights / weights.sum(), data.means[kept], data.covariances[kept]))


SCORES: dict[str, Callable[[Mixture], Score]] = {
    "exact": exact,
    "halved": halved,
    "moment matched": moment_matched,
    "component dropped": component_dropped,
}
