"""How to draw times for E_t[f(t)], t uniform on (0, 1): the rules, and the variance that each leaves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

GRID = 2**14  # midpoints on which integrals over time are taken; a multiple of every number of draws and of bins

Grid = Float[np.ndarray, " grid"]
Times = Float[np.ndarray, "replicates n"]


def midpoints(count: int = GRID) -> Grid:
    """The middles of `count` equal parts of (0, 1)."""
    return (np.arange(count) + 0.5) / count


class TimeSampler(ABC):
    """`n` times for each of many replicates, with weights w such that mean(w f(t)) is unbiased for ∫ f.

    A draw at time t is f(t) and noise of its own, of variance v(t). The variance of the mean of `n` splits into
    `time_variance`, of mean(w f(t)), and `noise_variance`, which is ∫ v / n for every rule without weights.
    """

    @abstractmethod
    def draw(self, replicates: int, n: int, draw: np.random.Generator) -> tuple[Times, Times]:
        """Times and weights."""

    @abstractmethod
    def time_variance(self, f: Grid, n: int) -> float:
        """Of mean(w f(t)), with f given at `midpoints()`."""

    def noise_variance(self, v: Grid, n: int) -> float:
        """E[w² v(t)] / n."""
        return float(v.mean() / n)


@dataclass(frozen=True)
class Uniform(TimeSampler):
    """Independent times. Var f / n."""

    def draw(self, replicates: int, n: int, draw: np.random.Generator) -> tuple[Times, Times]:
        return draw.random((replicates, n)), np.ones((replicates, n))

    def time_variance(self, f: Grid, n: int) -> float:
        return float(f.var() / n)


@dataclass(frozen=True)
class Antithetic(TimeSampler):
    """Pairs t and 1 − t. Var[(f(t) + f(1 − t))/2] / (n/2): what is odd about ½ goes, what is even doubles.

    Raises ValueError for an odd number of draws.
    """

    def draw(self, replicates: int, n: int, draw: np.random.Generator) -> tuple[Times, Times]:
        if n % 2:
            raise ValueError(f"Antithetic.draw(n={n}): times come in pairs; pass {n - 1 or 2} or {n + 1}")
        t = draw.random((replicates, n // 2))
        return np.concatenate([t, 1 - t], axis=1), np.ones((replicates, n))

    def time_variance(self, f: Grid, n: int) -> float:
        return float(((f + f[::-1]) / 2).var() / (n / 2))


@dataclass(frozen=True)
class Stratified(TimeSampler):
    """One time in each of n equal parts, independent: what is left is the variance within the parts, of order n⁻³."""

    def draw(self, replicates: int, n: int, draw: np.random.Generator) -> tuple[Times, Times]:
        return (np.arange(n) + draw.random((replicates, n))) / n, np.ones((replicates, n))

    def time_variance(self, f: Grid, n: int) -> float:
        return float(f.reshape(n, -1).var(axis=1).mean() / n)


@dataclass(frozen=True)
class RotatedLattice(TimeSampler):
    """t_i = (u + i/n) mod 1 with one u for all: what is left is the variance of a lattice mean over u, of order n⁻².

    Its draws depend on one another: an estimate has no standard error of its own.

    Reference: kingma2021 (there under the name of antithetic time sampling)
    """

    def draw(self, replicates: int, n: int, draw: np.random.Generator) -> tuple[Times, Times]:
        return (draw.random((replicates, 1)) + np.arange(n) / n) % 1, np.ones((replicates, n))

    def time_variance(self, f: Grid, n: int) -> float:
        return float(f.reshape(n, -1).mean(axis=0).var())


@dataclass(frozen=True, eq=False)
class Importance(TimeSampler):
    """Independent times from a density constant on equal bins, weights 1/p: (∫ f²/p − (∫ f)²)/n and ∫ v/p / n.

    Their sum is smallest for p ∝ √E[g_t²], the root of the second moment of a draw at t, whatever is drawn: of the loss
    for the loss, of the gradient for the gradient. Raises ValueError for a bin that is never drawn.

    Reference: nichol2021
    """

    density: Float[np.ndarray, " bins"]  # of mean 1

    def __post_init__(self) -> None:
        if not self.density.min() > 0 or abs(self.density.mean() - 1) > 1e-9:
            raise ValueError(
                f"Importance(density=…): least {self.density.min():.3g}, mean {self.density.mean():.6g}; a density on "
                "(0, 1) is positive and of mean 1: mix with 1 and divide by the mean"
            )

    def draw(self, replicates: int, n: int, draw: np.random.Generator) -> tuple[Times, Times]:
        edges = np.concatenate([[0.0], self.density.cumsum()])
        k = np.minimum(np.searchsorted(edges, draw.random((replicates, n)) * edges[-1], "right"), len(self.density)) - 1
        return (k + draw.random((replicates, n))) / len(self.density), 1 / self.density[k]

    def time_variance(self, f: Grid, n: int) -> float:
        return float(((f**2 / self._spread_out).mean() - f.mean() ** 2) / n)

    def noise_variance(self, v: Grid, n: int) -> float:
        return float((v / self._spread_out).mean() / n)

    @property
    def _spread_out(self) -> Grid:
        return np.repeat(self.density, GRID // len(self.density))


def optimal(second_moment: Grid, bins: int = 1024) -> Importance:
    """p ∝ √E[g_t²], on bins."""
    return Importance(_relative(np.sqrt(second_moment.reshape(bins, -1).mean(axis=1))))


def learned(history: Float[np.ndarray, "bins depth"], mixed: float = 1e-3) -> Importance:
    """p ∝ √mean(g²) over the last draws of each bin, mixed with .1 % of the uniform: the paper's rule, warmed up.

    Until every bin has its draws the paper's rule is the uniform one. Noisy as they are, short histories give away a
    part of the gain; that never makes the estimate biased, as the weights are those of the density that was drawn from.
    """
    return Importance((1 - mixed) * _relative(np.sqrt((history**2).mean(axis=1))) + mixed)


def _relative(root: Float[np.ndarray, " bins"]) -> Float[np.ndarray, " bins"]:
    """Of mean 1; uniform where there is nothing to weigh."""
    return root / root.mean() if root.any() else np.ones_like(root)
