"""The chain as a deep latent-variable model: where its bound is loose, on Gaussian data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.experiments.diffusion.simulation.chain_bound import chain_bound, exact_reverse_variances
from gradmark.benchmarks.experiments.diffusion.simulation.reverse import anderson
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Geometric, Schedule


@dataclass(frozen=True)
class DiffusionBound(Experiment):
    """The bound on log p(x_0) with x_1 … x_T as latents, expected over x_0 ~ N(m, c²), against T; nothing is drawn.

    The model is the reverse chain from the exact p_T, by the exact score, with σ_t² for its variance (`anderson`) or
    with Var(x_{t−1} | x_t) (`exact`), where the bound is tight. The table `bounds` has the prior's term, the sum of the
    terms from 2 to T, the term of t = 1, their total, the entropy of the data and the gap, in nats of one axis.
    Raises ValueError for a variance that is not positive or a number of steps below 1.

    Reference: ho2020
    """

    title = "Diffusion: a deep latent-variable model and its bound"

    variance: float = 0.5
    schedule: Schedule = Geometric()  # noqa: RUF009  # frozen
    steps: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

    def validate(self) -> None:
        if self.variance <= 0 or not self.steps or min(self.steps) < 1:
            raise ValueError(
                f"DiffusionBound(variance={self.variance}, steps={self.steps}): the variance is positive, and a chain "
                "has a step; use variance=0.5, steps=(1, 10, 100)"
            )

    def run(self, seed: int) -> Tables:
        setting = {"variance": self.variance, "schedule": str(self.schedule)}
        return {"setting": [setting], "bounds": [row for count in self.steps for row in self._rows(count)]}

    def _rows(self, count: int) -> list[dict[str, Any]]:
        levels = self.schedule.levels(count)
        found = {"anderson": anderson(levels), "exact": exact_reverse_variances(self.variance, levels)}
        return [self._row(count, name, levels, variances) for name, variances in found.items()]

    def _row(self, count: int, name: str, levels: np.ndarray, variances: np.ndarray) -> dict[str, Any]:
        bound = chain_bound(self.variance, levels, variances)
        parts = {"prior": bound.prior, "middle": float(bound.middle.sum()), "first": bound.first}
        whole = {"total": bound.total, "entropy": bound.entropy, "gap": bound.gap}
        return {"steps": count, "reverse variance": name, **parts, **whole}
