"""Are draws of the reverse process draws of p_0? Permutation tests over seeds, and what they could have seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.experiments.diffusion.simulation import scores
from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import Points
from gradmark.benchmarks.experiments.diffusion.simulation.reverse import REVERSE_VARIANCES, reverse_sample
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Geometric, Schedule
from gradmark.benchmarks.experiments.diffusion.simulation.targets import FanMixture, Target
from gradmark.benchmarks.experiments.diffusion.simulation.two_sample import (
    FALSE_ALARM,
    LEVEL,
    rejections_over_seeds,
    smallest_seen,
)


@dataclass(frozen=True)
class ReverseTest(Experiment):
    """Rejections among `seeds` permutation tests of `size` draws of the reverse's end against as many of p_0.

    With the exact score at each number of `steps` and by both reverse variances; with each wrong score at the last of
    them. Every test has level .05, and the rule rejects at the number of rejections that a true null reaches once in
    1000. The table `smallest` has the smallest shift of p_0 along (1, …, 1)/√d that the same rule rejects; the shift is
    a Wasserstein-1 distance. Raises ValueError for a size below 20 or fewer than 5 seeds.

    Reference: gretton2012
    """

    title = "Diffusion: draws of the reverse against draws of the data"

    data: Target = FanMixture()  # noqa: RUF009  # frozen
    schedule: Schedule = Geometric()  # noqa: RUF009  # frozen
    steps: tuple[int, ...] = (2, 8, 64)
    size: int = 256
    seeds: int = 20

    def validate(self) -> None:
        if self.size < 20 or self.seeds < 5 or not self.steps:
            raise ValueError(
                f"ReverseTest(size={self.size}, seeds={self.seeds}): a test of fewer draws sees nothing, a rule of "
                "fewer seeds never rejects; use size=256, seeds=20"
            )

    def run(self, seed: int) -> Tables:
        law, range_ = self.data.law(), range(1000 * seed, 1000 * seed + self.seeds)
        wrong = [name for name in scores.SCORES if name != "exact" and (name == "halved" or len(law.weights) > 1)]
        cases = [("exact", rule, steps) for rule in REVERSE_VARIANCES for steps in self.steps]
        cases += [(name, "anderson", self.steps[-1]) for name in wrong]
        rows = [row for case in cases for row in self._tested(*case, range_)]
        diagonal = np.full(law.dimension, law.dimension**-0.5)
        smallest = smallest_seen(lambda draw: law.sample(self.size, draw), diagonal, range_)
        setting = {"data": str(self.data), "schedule": str(self.schedule), "size": self.size, "seeds": self.seeds}
        setting |= {"level": LEVEL, "false_alarm": FALSE_ALARM}
        shifts = [{"statistic": name, "shift": shift} for name, shift in smallest.items()]
        return {"setting": [setting], "tests": rows, "smallest": shifts}

    def _tested(self, score: str, rule: str, steps: int, seeds: range) -> list[dict[str, Any]]:
        law, levels = self.data.law(), self.schedule.levels(steps)
        begin, toward, variances = law.noised(levels[-1]), scores.SCORES[score](law), REVERSE_VARIANCES[rule](levels)

        def ended(draw: np.random.Generator) -> Points:
            return reverse_sample(begin.sample(self.size, draw), toward, levels, variances, draw)

        tests = rejections_over_seeds(lambda draw: law.sample(self.size, draw), ended, seeds)
        return [
            {"score": score, "rule": rule, "steps": steps, "statistic": name, "rejections": test.count}
            | {"threshold": test.threshold, "rejected": test.rejected}
            for name, test in tests.items()
        ]
