"""Noise schedules of the chain x_t = x_{t−1} + ε_t, ε_t ~ N(0, σ_t²): how much variance v_t = σ_1² + … + σ_t² when."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gradmark.estimators.spec import Spec

__all__ = ["Cosine", "Geometric", "LinearBeta"]  # what a study may name

Levels = Float[np.ndarray, " levels"]  # v_0 … v_T, one more than there are steps


@dataclass(frozen=True)
class Schedule(Spec):
    """The added variance as a function of the share of the way, v(0) = 0 to v(1) = `total`.

    A chain that also shrinks, y_t = √α_t y_{t−1} + √(1−α_t) ε with ᾱ_t = α_1 ⋯ α_t ("variance preserving"), is this
    one rescaled: x_t = y_t / √ᾱ_t, with v_t = 1/ᾱ_t − 1. So every schedule of the literature is one of these.

    Raises ValueError for a total that is not positive.
    """

    total: float = 9.0

    def validate(self) -> None:
        if self.total <= 0:
            raise ValueError(f"{type(self).__name__}(total={self.total}): a variance is positive; use 9.0")

    @abstractmethod
    def added(self, share: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """v at shares of the way from 0 to 1: the variance added so far."""

    def levels(self, steps: int) -> Levels:
        """v_0 = 0 < v_1 < … < v_T = `total`, T = `steps`. Raises ValueError for less than one step."""
        if steps < 1:
            raise ValueError(f"{self}.levels(steps={steps}): a chain has at least one step; pass 1 or more")
        return increasing(self.added(np.linspace(0.0, 1.0, steps + 1)))


def increasing(levels: Levels) -> Levels:
    """The levels, where they can be a chain's. Raises ValueError where they do not start at 0 or do not rise."""
    if len(levels) < 2 or levels[0] != 0:
        raise ValueError(f"levels {levels[:2].tolist()}…: p_0 has no noise and p_T has; start at 0 and add a level")
    falls = np.flatnonzero(~(np.diff(levels) > 0))
    if len(falls):
        t = int(falls[0]) + 1
        raise ValueError(
            f"levels[{t}] = {levels[t]:.6g} after {levels[t - 1]:.6g}: a noise schedule increases, as each step adds "
            "variance; sort the levels and drop repeats"
        )
    return levels


@dataclass(frozen=True)
class Geometric(Schedule):
    """Increments that grow by a constant factor: v(u) ∝ ratio^u − 1, so that σ_T² is about `ratio` times σ_1².

    Raises ValueError for a ratio that is not above 1.

    Reference: song2021 (the variance exploding SDE, of ratio (σ_max/σ_min)²)
    """

    ratio: float = 100.0

    def validate(self) -> None:
        super().validate()
        if self.ratio <= 1:
            raise ValueError(f"Geometric(ratio={self.ratio}): increments grow; use a ratio above 1")

    def added(self, share: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return self.total * np.expm1(share * math.log(self.ratio)) / (self.ratio - 1)


@dataclass(frozen=True)
class LinearBeta(Schedule):
    """β(u) = low + u (high − low), ᾱ(u) = exp(−∫β), v = 1/ᾱ − 1; stopped where v reaches `total`.

    Raises ValueError unless 0 < low < high.

    Reference: ho2020
    """

    low: float = 0.1
    high: float = 20.0

    def validate(self) -> None:
        super().validate()
        if not 0 < self.low < self.high:
            raise ValueError(f"LinearBeta(low={self.low}, high={self.high}): β rises from above 0; use 0.1 and 20.0")

    def added(self, share: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        slope = self.high - self.low
        end = (math.sqrt(self.low**2 + 2 * slope * math.log1p(self.total)) - self.low) / slope
        return np.expm1(self.low * share * end + slope * (share * end) ** 2 / 2)


@dataclass(frozen=True)
class Cosine(Schedule):
    """ᾱ(u) = cos²(π/2 · (u + s)/(1 + s)) / cos²(π/2 · s/(1 + s)), v = 1/ᾱ − 1; stopped where v reaches `total`.

    The paper goes on to ᾱ = 0, where v is infinite, and clips the last β at .999; here the path just ends before.
    Raises ValueError for an offset s outside [0, 1).

    Reference: nichol2021
    """

    offset: float = 0.008

    def validate(self) -> None:
        super().validate()
        if not 0 <= self.offset < 1:
            raise ValueError(f"Cosine(offset={self.offset}): a share of the way; use 0.008")

    def added(self, share: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        start = math.pi / 2 * self.offset / (1 + self.offset)
        end = math.acos(math.cos(start) / math.sqrt(1 + self.total))
        return (math.cos(start) / np.cos(start + share * (end - start))) ** 2 - 1
