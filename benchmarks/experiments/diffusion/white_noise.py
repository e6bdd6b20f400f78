"""When is the end of the chain white noise? By its total variance, and not by its number of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.experiments.diffusion.simulation.distances import DISTANCES
from gradmark.benchmarks.experiments.diffusion.simulation.line import Law, flow_map, grid
from gradmark.benchmarks.experiments.diffusion.simulation.mixtures import gaussian
from gradmark.benchmarks.experiments.diffusion.simulation.orders import fitted_order
from gradmark.benchmarks.experiments.diffusion.simulation.targets import FanMixture, Target


@dataclass(frozen=True)
class WhiteNoise(Experiment):
    """The distance of p_T, p_0 with noise of variance v_T, from N(0, v_T) on a line, at each of the `totals`.

    However many steps, p_T is p_0 convolved with N(0, v_T): only v_T → ∞ hides the data, and the mean of p_0 last of
    all, as 1/√v_T in total variation. The table `ends` has that distance, and what it costs: the distance from p_0 of
    the exact probability flow's end when it starts from N(0, v_T) and not p_T.
    Raises ValueError for a total that is not positive, or less than three.
    """

    title = "Diffusion: white noise only in the limit of large total variance"

    data: Target = FanMixture()  # noqa: RUF009  # frozen
    totals: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)

    def validate(self) -> None:
        if len(self.totals) < 3 or min(self.totals) <= 0:
            raise ValueError(f"WhiteNoise(totals={self.totals}): three variances above 0; use (1.0, 10.0, 100.0)")

    def refuses(self) -> str | None:
        if self.data.dimension == 1:
            return None
        return f"WhiteNoise(data={self.data}): its integrals are on a line; use dimension=1"

    def run(self, seed: int) -> Tables:
        ends = [self._end(total) for total in self.totals]
        orders = {
            name: fitted_order(np.array(self.totals[-3:]), np.array([end[name] for end in ends[-3:]]))[0]
            for name in ("total variation", "reverse: Wasserstein-1")
        }
        return {"setting": [{"data": str(self.data)}], "ends": ends, "orders": [orders]}

    def _end(self, total: float) -> dict[str, Any]:
        law = self.data.law()
        noised, white = law.noised(total), gaussian(np.zeros(1), np.full((1, 1), total))
        x = grid(noised, 4096)
        apart = Law(x, white.distribution(x)).distances(noised)
        begun = grid(white, 4096)
        landed = Law(flow_map(noised, law, begun), white.distribution(begun)).distances(law)
        return {
            "total": total,
            **{name: apart[name] for name in DISTANCES},
            **{f"reverse: {name}": landed[name] for name in DISTANCES},
        }
