"""The probability path forward and back, as draws to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.experiments.diffusion.simulation import scores
from gradmark.benchmarks.experiments.diffusion.simulation.flow import probability_flow
from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Points
from gradmark.benchmarks.experiments.diffusion.simulation.reverse import anderson, reverse_chain
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Geometric, Levels, Schedule
from gradmark.benchmarks.experiments.diffusion.simulation.targets import FanMixture, Target


@dataclass(frozen=True)
class ReversePath(Experiment):
    """F: p_0 → p_T by x_t = x_{t−1} + ε_t, and F' back from an exact p_T, by Anderson's process and by the flow.

    `shown` levels of the path, equally spaced in t, `draws` points each, on the first two axes of the data. Both ways
    back start from the same draws of p_T. The table `points` has a row for each direction and level.
    Raises ValueError for less than two levels, a level that is shared between two steps or no draws.

    Reference: anderson1982
    """

    title = "Diffusion: the path forward and back"

    data: Target = FanMixture(dimension=2)  # noqa: RUF009  # frozen
    schedule: Schedule = Geometric()  # noqa: RUF009  # frozen
    steps: int = 120
    shown: int = 5
    draws: int = 400

    def validate(self) -> None:
        if self.shown < 2 or self.steps % (self.shown - 1) or self.steps < 1 or self.draws < 1:
            raise ValueError(
                f"ReversePath(steps={self.steps}, shown={self.shown}, draws={self.draws}): the shown levels divide the "
                "steps into equal parts; use steps=120, shown=5, draws=400"
            )

    def refuses(self) -> str | None:
        if self.data.dimension > 1:
            return None
        return f"ReversePath(data={self.data}): points are drawn in a plane; use dimension=2 or more"

    def run(self, seed: int) -> Tables:
        draw, law, levels = np.random.default_rng(seed), self.data.law(), self.schedule.levels(self.steps)
        score, every = scores.exact(law), self.steps // (self.shown - 1)
        times = list(range(0, self.steps + 1, every))
        first = law.sample(self.draws, draw)
        moves = draw.standard_normal((self.steps, *first.shape)) * np.sqrt(np.diff(levels))[:, None, None]
        forward = first + np.concatenate([np.zeros((1, *first.shape)), moves.cumsum(0)])
        start = law.noised(levels[-1]).sample(self.draws, draw)
        back = list(reverse_chain(start, score, levels, anderson(levels), draw))[::-1]
        flown = {t: probability_flow(start, score, levels, stop=levels[t]) for t in times}
        return {
            "points": [
                row
                for t in times
                for row in (
                    _row("forward", t, levels, forward[t]),
                    _row("reverse process", t, levels, back[t]),
                    _row("probability flow", t, levels, flown[t]),
                )
            ]
        }


def _row(direction: str, t: int, levels: Levels, points: Points) -> dict[str, Any]:
    """Three decimals: a point on paper is not known better."""
    return {"direction": direction, "t": t, "added": float(levels[t]), "points": points[:, :2].round(3).tolist()}
