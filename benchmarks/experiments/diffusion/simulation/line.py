"""On a line the law of the reverse process is known without a draw: its density is carried by the transition kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

from gradmark.benchmarks.experiments.diffusion.simulation.distances import DISTANCES, Line
from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Mixture, Points
from gradmark.benchmarks.experiments.diffusion.simulation.reverse import reverse_mean
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Levels
from gradmark.benchmarks.experiments.diffusion.simulation.scores import Score

REACH = 8.0  # standard deviations of the widest component that a grid covers; 1e-15 is left outside
POINTS = 1024  # where no kernel asks for more
MOST_POINTS = 2**14


@dataclass(frozen=True)
class Law:
    """A law on a line: its distribution function at increasing points."""

    points: Line
    distribution: Line

    def distances(self, truth: Mixture) -> dict[str, float]:
        """How far it is from the truth, in each of `DISTANCES`."""
        exact = truth.distribution(self.points)
        return {name: distance(self.points, self.distribution, exact) for name, distance in DISTANCES.items()}


def grid(law: Mixture, points: int = POINTS) -> Line:
    """Equally spaced points that hold all of a law on a line."""
    reach = REACH * np.sqrt(law.covariances[:, 0, 0])
    return np.linspace((law.means[:, 0] - reach).min(), (law.means[:, 0] + reach).max(), points)


def reverse_law(begin: Mixture, score: Score, levels: Levels, variances: Float[np.ndarray, " steps"]) -> Law:
    """The law of the end of `reverse_chain` from x_T ~ `begin`:  p_{t−1}(y) = ∫ p_t(x) N(y; x + σ_t² s(x), ρ_t) dx

    The trapezoidal rule errs by about exp(−2π² ρ_t / h²), h the spacing, which is never wider than a kernel. In the
    last step the distribution function is summed instead of the density, or carried along where ρ_1 is 0.
    Raises ValueError where that takes too many points, or where a step folds the line over.
    """
    x = grid(begin, _points(begin, variances))
    density = np.exp(begin.log_prob(x[:, None]))
    law = Law(x, begin.distribution(x))
    for t in range(len(levels) - 1, 0, -1):
        centres, spread = reverse_mean(x[:, None], score, levels, t)[:, 0], np.sqrt(variances[t - 1])
        if spread == 0:  # only ever the last step
            return _carried(law.distribution, centres)
        if t <= 2:
            law = Law(x, _summed(x, density * (x[1] - x[0]), centres, spread))
        density = _spread_out(x, density, centres, spread)
    return law


def _summed(x: Line, mass: Line, centres: Line, spread: float) -> Line:
    """Σ_i mass_i Φ((x − centre_i)/spread), in parts that fit into memory."""
    parts = np.array_split(x, 1 + len(x) ** 2 // 2**22)
    return np.concatenate([ndtr((part[:, None] - centres) / spread) @ mass for part in parts])


def _spread_out(x: Line, density: Line, centres: Line, spread: float) -> Line:
    """Σ_i h p(x_i) N(x; centre_i, spread²), each kernel as far as it reaches; the arrays are reused, to save time."""
    spacing = x[1] - x[0]
    reach = int(np.ceil(REACH * spread / spacing))
    nearest = np.rint((centres - x[0]) / spacing).astype(int)
    indices = nearest[:, None] + np.arange(-reach, reach + 1)
    shares = x[0] + spacing * indices
    shares -= centres[:, None]
    shares /= spread
    np.square(shares, out=shares)
    shares /= -2
    np.exp(shares, out=shares)
    shares *= density[:, None]
    shares *= spacing / spread / np.sqrt(2 * np.pi)
    np.clip(indices, -1, len(x), out=indices)  # what is outside goes into one bin at each end
    indices += 1
    return np.bincount(indices.ravel(), weights=shares.ravel(), minlength=len(x) + 2)[1:-1]


def flow_law(begin: Mixture, carry: Callable[[Points], Points], points: int = POINTS) -> Law:
    """The law of carry(x), x ~ `begin`, for a map that keeps the order of points, as flows do: F₀(carry(x)) = F(x)."""
    x = grid(begin, points)
    return _carried(begin.distribution(x), carry(x[:, None])[:, 0])


def flow_map(begin: Mixture, end: Mixture, x: Line) -> Line:
    """Where the exact flow carries x on a line: to the y with F_end(y) = F_begin(x), by bisection to the last bit.

    From the upper half the two tails are compared, as F next to 1 has no digits left.
    """
    below, above = begin.distribution(x), _mirrored(begin).distribution(-x)
    low, high = (np.full_like(x, side) for side in (grid(end)[0], grid(end)[-1]))
    for _ in range(100):
        middle = (low + high) / 2
        lower = np.where(below < 0.5, end.distribution(middle) < below, _mirrored(end).distribution(-middle) > above)
        low, high = np.where(lower, middle, low), np.where(lower, high, middle)
    return (low + high) / 2


def _mirrored(law: Mixture) -> Mixture:
    return Mixture(law.weights, -law.means, law.covariances)


def _carried(distribution: Line, positions: Line) -> Law:
    folds = np.flatnonzero(np.diff(positions) <= 0)
    if len(folds):
        raise ValueError(f"a step folds the line over near {positions[folds[0]]:.4g}: it is too long; take more steps")
    return Law(positions, distribution)


def _points(begin: Mixture, variances: np.ndarray) -> int:
    """How many points it takes to see the finest kernel."""
    ends, finest = grid(begin, 2), np.sqrt(variances[variances > 0].min(initial=np.inf))
    needed = max(POINTS, int(np.ceil((ends[1] - ends[0]) / finest)) + 1)
    if needed > MOST_POINTS:
        raise ValueError(f"reverse_law: a step has a deviation of {finest:.3g}, too fine for a grid; take fewer steps")
    return needed
