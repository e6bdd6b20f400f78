"""The chain as a deep latent-variable model: its bound on Gaussian data, term by term and in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Levels


@dataclass(frozen=True)
class ChainBound:
    """The parts of −L, expected over x_0 ~ N(m, c²), in nats of one axis; their sum is `entropy` at the least."""

    prior: float  # E KL(q(x_T | x_0) ‖ p_T)
    middle: Float[np.ndarray, " steps-1"]  # E KL(q(x_{t−1} | x_t, x_0) ‖ p(x_{t−1} | x_t)), t = 2 … T
    first: float  # −E log p(x_0 | x_1), the term of t = 1, which is not a divergence
    entropy: float  # −E log p_0(x_0)

    @property
    def total(self) -> float:
        """−E L, at least the entropy."""
        return self.prior + float(self.middle.sum()) + self.first

    @property
    def gap(self) -> float:
        """By how much the bound is loose: E KL(q ‖ p(x_1 … x_T | x_0))."""
        return self.total - self.entropy


def exact_reverse_variances(variance: float, levels: Levels) -> Float[np.ndarray, " steps"]:
    """Var(x_{t−1} | x_t) = σ_t² (c² + v_{t−1})/(c² + v_t): with them the reverse is the chain's own, and the gap 0."""
    return np.diff(levels) * (variance + levels[:-1]) / (variance + levels[1:])


def chain_bound(variance: float, levels: Levels, reverse_variances: Float[np.ndarray, " steps"]) -> ChainBound:
    """With x_1 … x_T as latents, q the noising chain, and the model the reverse chain from p_T with the exact score.

    With q_t = σ_t² v_{t−1}/v_t, the variance of x_{t−1} given x_t and x_0, and r_t = c² v_t/(c² + v_t), that of x_0
    given x_t, the mean of the reverse step misses that of q by (σ_t²/v_t)(x_0 − E[x_0 | x_t]), so that

        prior = ½ ln(1 + c²/v_T),    middle_t = ½ [q_t/ρ_t − 1 − ln(q_t/ρ_t) + (σ_t²/v_t)² r_t/ρ_t],
        first = ½ ln(2π ρ_1) + r_1/(2ρ_1)

    Raises ValueError for a reverse variance that is not positive, as ancestral sampling has in its last step: there
    the likelihood of the data is 0.

    Reference: ho2020
    """
    if reverse_variances.min() <= 0:
        t = int(np.argmin(reverse_variances)) + 1
        raise ValueError(f"chain_bound: ρ_{t} = {reverse_variances.min():.3g}, and the data have no density; raise it")
    steps, rest = np.diff(levels), variance * levels[1:] / (variance + levels[1:])
    ratio = steps[1:] * levels[1:-1] / levels[2:] / reverse_variances[1:]
    missed = (steps[1:] / levels[2:]) ** 2 * rest[1:] / reverse_variances[1:]
    return ChainBound(
        prior=math.log1p(variance / levels[-1]) / 2,
        middle=(ratio - 1 - np.log(ratio) + missed) / 2,
        first=float(np.log(2 * np.pi * reverse_variances[0]) + rest[0] / reverse_variances[0]) / 2,
        entropy=math.log(2 * math.pi * math.e * variance) / 2,
    )
