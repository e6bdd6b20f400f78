"""L samples: how the variance falls with them, as a fitted slope for each estimator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradmark.benchmarks import specs
from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.measurement.block import Setting
from gradmark.benchmarks.measurement.quantiles import normal_isf, t_isf
from gradmark.benchmarks.measurement.quantities import LEVEL, Quantity, positive
from gradmark.benchmarks.measurement.replicates import moments_at
from gradmark.benchmarks.measurement.tails import assess_tail
from gradmark.benchmarks.problems import GaussianToy
from gradmark.estimators.core import Problem


@dataclass(frozen=True)
class SampleSize(Experiment):
    """The total variance of one estimate against `samples` drawn for it, at frozen parameters, and the fitted slope.

    The mean of L independent draws has the variance v/L, a slope of −1 on logarithmic axes; leave-one-out's baseline
    gets better with L as well, v/L + w/(L (L − 1)), and bounds of several draws change what is estimated. The table
    `variances` has a quantity for each estimator and L, `slopes` the fit by weighted least squares with its interval,
    χ² over its degrees of freedom, and the kind of tail at the fewest draws; `refused` has who does not fit, and why.
    About `draws` draws are made for each row. Raises ValueError for fewer than three numbers of samples.

    Reference: paisley2012
    """

    title = "L samples: the variance of an estimate against how many"

    problem: Problem = GaussianToy(k=-3.0)  # noqa: RUF009  # frozen
    estimators: tuple[str, ...] = ("ScoreFunction()", "LeaveOneOut()", "Reparameterization()")
    samples: tuple[int, ...] = (2, 4, 8, 16, 32, 64)
    draws: int = 2**18

    def validate(self) -> None:
        if len(self.samples) < 3 or list(self.samples) != sorted(set(self.samples)) or self.samples[0] < 1:
            raise ValueError(
                f"SampleSize(samples={self.samples}): a slope takes three numbers of samples, increasing from 1 on; "
                "use (2, 8, 32)"
            )
        if self.draws < 1024 * self.samples[-1]:
            raise ValueError(
                f"SampleSize(draws={self.draws}): a variance takes 1024 estimates; pass {1024 * self.samples[-1]} or "
                "more"
            )

    def refuses(self) -> str | None:
        reasons = [reason for _, reason in self._asked()]
        return reasons[0] if reasons and all(reasons) else None

    def _asked(self) -> list[tuple[str, str | None]]:
        """Each estimator, and why it does not fit with some number of samples, or None."""
        return [
            (
                text,
                next((r for n in self.samples if (r := specs.estimator(text).refuses(self.problem.seen, n))), None),
            )
            for text in self.estimators
        ]

    def run(self, seed: int) -> Tables:
        asked = self._asked()
        found = [self._measured(text, seed) for text, reason in asked if reason is None]
        return {
            "setting": [{"problem": str(self.problem)}],
            "variances": [row for rows, _ in found for row in rows],
            "slopes": [slope for _, slope in found],
            "refused": [{"estimator": text, "reason": reason} for text, reason in asked if reason is not None],
        }

    def _measured(self, text: str, seed: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        quantities, tail = [], None
        for count in self.samples:
            setting = Setting(self.problem, specs.estimator(text), count, self.problem.init())
            moments = moments_at(setting, "init", seed, max(self.draws // count, 1024))
            quantities.append(positive(moments.traces[:, 0]))
            tail = tail or assess_tail(moments.deviations).kind or "untested"
        rows = [
            {"estimator": text, "samples": count, "variance": quantity.json()}
            for count, quantity in zip(self.samples, quantities, strict=True)
        ]
        slope, misfit = fitted_slope(self.samples, quantities)
        return rows, {"estimator": text, "slope": slope.json(), "misfit": misfit, "tail": tail}


def fitted_slope(samples: tuple[int, ...], quantities: list[Quantity]) -> tuple[Quantity, float | None]:
    """The slope of log variance on log samples by least squares weighted by the quantities' own errors, and χ² per
    degree of freedom.

    Where the line does not fit (χ² per degree above 1) the interval is widened by its root. No slope where a variance
    is zero or not known.
    """
    if any(not r.value or not r.stderr for r in quantities):
        return Quantity(None), None
    x = np.log(samples)
    y = np.log([r.value or math.nan for r in quantities])
    weight = np.array([((r.value or 0.0) / (r.stderr or math.nan)) ** 2 for r in quantities])
    centred = x - np.average(x, weights=weight)
    precision = float(weight @ centred**2)
    slope = float(weight @ (centred * y)) / precision
    left = y - np.average(y, weights=weight) - slope * centred
    freedom = len(x) - 2
    misfit = float(weight @ left**2) / freedom
    stderr = math.sqrt(max(misfit, 1.0) / precision)
    reach = (t_isf((1 - LEVEL) / 2, freedom) if misfit > 1 else normal_isf((1 - LEVEL) / 2)) * stderr
    return Quantity(slope, stderr, (slope - reach, slope + reach)), misfit
