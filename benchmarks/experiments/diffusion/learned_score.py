"""A learned score, judged against the exact one at every noise level."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gradmark.benchmarks.data import features
from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.experiments.diffusion.simulation.learned_score import learn, relative_error, score_of
from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Mixture, Points, gaussian
from gradmark.benchmarks.experiments.diffusion.simulation.point_mixture import PointMixture
from gradmark.benchmarks.experiments.diffusion.simulation.reverse import anderson, reverse_sample
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Geometric
from gradmark.benchmarks.experiments.diffusion.simulation.scores import Score
from gradmark.benchmarks.experiments.diffusion.simulation.scores import exact as score_of_law
from gradmark.benchmarks.experiments.diffusion.simulation.targets import FanMixture
from gradmark.benchmarks.experiments.diffusion.simulation.two_sample import energy
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.quantiles import normal_isf
from gradmark.benchmarks.measurement.quantities import LEVEL, Quantity, signed

DATA = ("mixture", "digits")
TRAINED = 4096  # draws of the mixture to learn from
JUDGED = 2048  # draws at each level
DRAWS, REPEATS = 400, 6  # for the distances


@dataclass(frozen=True)
class LearnedScore(Experiment):
    """E|s_θ − s|²/E|s|² under p_v at each noise level, for a network trained by denoising, where s is exact.

    "mixture" is FanMixture(dimension=2); "digits" the 1797 digits of 8×8 pixels in [0, 1], whose exact score is that
    of the mixture of 1797 points. Beside the network is the Gaussian of the same mean and covariance. The table
    `distances` has the energy distance of 400 draws of the reverse process to as many of the data for each score,
    beside the floor: that of two samples of the data.
    Raises ValueError for other data or less than one step.

    Reference: vincent2011
    """

    title = "Diffusion: a learned score against the exact one"

    data: str = "mixture"
    steps: int = 4000
    width: int = 128
    levels: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 9.0)

    def validate(self) -> None:
        if self.data not in DATA:
            raise ValueError(f"LearnedScore(data={self.data!r}): use one of {', '.join(DATA)}")
        if self.steps < 1 or self.width < 1 or len(self.levels) < 2 or min(self.levels) <= 0:
            raise ValueError(
                f"LearnedScore(steps={self.steps}, width={self.width}, levels={self.levels}): one step and unit or "
                "more, and two levels above 0; use steps=4000, width=128"
            )

    def run(self, seed: int) -> Tables:
        draw, law = np.random.default_rng(seed), _law(self.data)
        rows = law.rows if isinstance(law, PointMixture) else law.sample(TRAINED, draw)
        with seeded(seed, torch.device("cpu")):
            span = min(self.levels), max(self.levels)
            model = learn(rows, span, width=self.width, steps=self.steps, batch=256)
        matched = gaussian(rows.mean(0), np.cov(rows.T) + 1e-9 * np.eye(rows.shape[1]))

        exact = score_of_law(law)
        scores: dict[str, Score] = {"learned": score_of(model), "moment matched": score_of_law(matched)}
        errors = [row for v in self.levels for row in _errors(scores, exact, law.noised(v).sample(JUDGED, draw), v)]
        distances = list(_distances({"exact": exact, **scores}, law, draw))
        return {"setting": [{"data": self.data, "rows": len(rows)}], "errors": errors, "distances": distances}


def _law(name: str) -> Mixture | PointMixture:
    if name == "mixture":
        return FanMixture(dimension=2).law()
    return PointMixture(features("digits", torch.float64, torch.device("cpu")).numpy())


def _errors(scores: dict[str, Score], exact: Score, x: Points, v: float) -> Iterator[dict[str, Any]]:
    """The ratio of two means has the relative variance of the residuals |s_θ − s|² − r |s|²."""
    for name, score in scores.items():
        missed, size = relative_error(score, exact, x, v)
        ratio = float(missed.mean() / size.mean())
        stderr = float(np.std(missed - ratio * size, ddof=1) / np.sqrt(len(x)) / size.mean())
        reach = normal_isf((1 - LEVEL) / 2) * stderr
        quantity = Quantity(ratio, stderr, (ratio - reach, ratio + reach)).json()
        yield {"score": name, "added": v, "error": quantity}


def _distances(
    scores: dict[str, Score], law: Mixture | PointMixture, draw: np.random.Generator
) -> Iterator[dict[str, Any]]:
    levels = Geometric(ratio=1000.0).levels(100)
    signs = np.repeat([[1.0, -1.0]], DRAWS, axis=1)

    def apart(found: list[Points]) -> dict[str, Any]:
        values = [energy(np.concatenate([each, law.sample(DRAWS, draw)]), signs)[0] for each in found]
        return signed(np.array(values)).json()

    yield {"draws of": "the data (the floor)", "distance": apart([law.sample(DRAWS, draw) for _ in range(REPEATS)])}
    for name, score in scores.items():
        starts = [law.noised(levels[-1]).sample(DRAWS, draw) for _ in range(REPEATS)]
        ends = [reverse_sample(start, score, levels, anderson(levels), draw) for start in starts]
        yield {"draws of": f"the reverse process, score {name}", "distance": apart(ends)}
