"""How far from p_0 the reverse process ends, against its number of steps, from laws known without a draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.experiments.diffusion.simulation.destinations import RULES, Destination, destination
from gradmark.benchmarks.experiments.diffusion.simulation.distances import DISTANCES
from gradmark.benchmarks.experiments.diffusion.simulation.orders import fitted_order
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Geometric, Schedule
from gradmark.benchmarks.experiments.diffusion.simulation.targets import FanMixture, Target
from gradmark.benchmarks.measurement.quantiles import t_isf
from gradmark.benchmarks.measurement.quantities import LEVEL, Quantity

EXPECTED = {"Wasserstein-1": 1, "total variation": 1, "energy": 2}  # of the chain; the energy distance is a square


@dataclass(frozen=True)
class ReverseError(Experiment):
    """The distance of the reverse's end from p_0 at each number of steps, by rule and score, and its fitted order.

    Rules: `anderson` and `ancestral` (the reverse variances), `heun` (of the probability flow). On Gaussian data their
    laws are a recursion, on a line a density carried by its kernel, on a `LineMixture` a product of both. Wrong scores
    are followed on a line, by Anderson's process. In more than one dimension distances are means over projections.
    The order is fitted to the numbers of steps from 16 on. Raises ValueError for less than three of those.

    Reference: song2021
    """

    title = "Diffusion: what the steps buy"

    data: Target = FanMixture()  # noqa: RUF009  # frozen
    schedule: Schedule = Geometric()  # noqa: RUF009  # frozen
    steps: tuple[int, ...] = (4, 8, 16, 32, 64, 128)

    def validate(self) -> None:
        if sum(count >= 16 for count in self.steps) < 3 or min(self.steps) < 1:
            raise ValueError(f"ReverseError(steps={self.steps}): an order takes three numbers from 16 on; add some")

    def refuses(self) -> str | None:
        if destination(self.data) is not None:
            return None
        return f"ReverseError(data={self.data}): its reverse's law is known only by draws; use LineMixture(dimension=…)"

    def run(self, seed: int) -> Tables:
        found = destination(self.data)
        assert found is not None, "refuses() has looked"
        cases = [(rule, "exact") for rule in RULES] + [("anderson", score) for score in found.wrong_scores]
        errors = [row for rule, score in cases for row in self._errors(found, rule, score)]
        orders = [self._order(errors, *case, distance) for case in cases for distance in DISTANCES]
        setting = {"data": str(self.data), "schedule": str(self.schedule), "known": found.known}
        return {"setting": [setting], "errors": errors, "orders": orders}

    def _errors(self, found: Destination, rule: str, score: str) -> list[dict[str, Any]]:
        return [
            {"rule": rule, "score": score, "steps": steps, "distance": name, "error": error}
            for steps in self.steps
            for name, error in found.distances(rule, score, self.schedule.levels(steps)).items()
        ]

    def _order(self, errors: list[dict[str, Any]], rule: str, score: str, distance: str) -> dict[str, Any]:
        mine = [row for row in errors if (row["rule"], row["score"], row["distance"]) == (rule, score, distance)]
        late = [row for row in mine if row["steps"] >= 16]
        order, stderr = fitted_order(np.array([r["steps"] for r in late]), np.array([r["error"] for r in late]))
        reach = t_isf((1 - LEVEL) / 2, len(late) - 2) * stderr
        expected = EXPECTED[distance] * (2 if rule == "heun" else 1) if score == "exact" else 0
        quantity = Quantity(order, stderr, (order - reach, order + reach)).json()
        return {"rule": rule, "score": score, "distance": distance, "order": quantity, "expected": expected}
