"""The law of a data set itself: equal weight on each row, and its exact scores once there is noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import softmax

from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Points


@dataclass(frozen=True, eq=False)
class PointMixture:
    """p(x) = (1/N) Σ_i N(x; x_i, vI): N components at the rows of the data. Its score is that of what the data *are*.

    A network that had learned it without error would give back the rows of the data and nothing else.
    """

    rows: Points
    variance: float = 0.0

    def noised(self, variance: float) -> PointMixture:
        """The law of x + √v ε. Raises ValueError for a negative variance."""
        if variance < 0:
            raise ValueError(
                f"PointMixture.noised(variance={variance}): noise is added, not taken away; pass 0 or more"
            )
        return PointMixture(self.rows, self.variance + variance)

    def score(self, x: Points) -> Points:
        """(Σ_i p(i | x) x_i − x) / v. Raises ValueError without noise, where there is no density."""
        if self.variance <= 0:
            raise ValueError("PointMixture.score: points have no density; add noise first, by noised(v)")
        shares = softmax(-cdist(x, self.rows, "sqeuclidean") / (2 * self.variance), axis=1)
        return (shares @ self.rows - x) / self.variance

    def sample(self, size: int, draw: np.random.Generator) -> Points:
        """`size` independent draws."""
        drawn = self.rows[draw.integers(len(self.rows), size=size)]
        return drawn + np.sqrt(self.variance) * draw.standard_normal(drawn.shape)
