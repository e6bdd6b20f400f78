"""When training runs reach the target, and which of them is the first, with an interval over seeds and timings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.measurement.quantiles import t_isf
from gradmark.benchmarks.measurement.quantities import LEVEL, MARGIN, Quantity
from gradmark.benchmarks.measurement.timing_rounds import round_medians
from gradmark.benchmarks.store.records import Curve
from gradmark.reports.layout.numbers import plain, quantity
from gradmark.reports.results.ranking import WINNER_LEVEL

TARGET = 0.99  # of the way from the start to the best final objective: what "reached the target" means


@dataclass(frozen=True)
class Arrival:
    """When the seeds of one run reached the target: it lies between the evaluations at `above` and at `by`."""

    curve: Curve
    above: Array  # [seeds], the last step at which a seed was evaluated before it reached the target
    by: Array  # [seeds], the first evaluated step at the target or below; infinite where a seed never reached it
    seconds: Array  # of one step, one number for each round of timing; empty where it was not timed

    @property
    def reached(self) -> int:
        """How many seeds reached the target."""
        return int(np.isfinite(self.by).sum())

    @property
    def steps(self) -> float | None:
        """The median over seeds of the steps to the target; None where half of the seeds or more never reached it."""
        return _finite(float(np.median(self.by)))

    @property
    def total_seconds(self) -> float | None:
        """The median of the steps times the median of the seconds of a step; None where either is not known."""
        return None if self.steps is None or not len(self.seconds) else self.steps * float(np.median(self.seconds))


def target(curves: list[Curve]) -> float:
    """The objective to reach: TARGET of the way from the start to the best median at the end; NaN where all diverge."""
    tables = [np.array(curve.data["objective"], dtype=float) for curve in curves if curve.data is not None]
    start = float(np.median([table[0] for table in tables]))
    best = float(min(np.median(np.where(np.isfinite(table[-1]), table[-1], np.inf)) for table in tables))
    return start + TARGET * (best - start) if np.isfinite(best) else float("nan")


def arrival(curve: Curve, goal: float) -> Arrival:
    """When each seed of a run that has a curve reached `goal`."""
    data = curve.data or {}
    steps, objective = np.array(data["steps"], dtype=float), np.array(data["objective"], dtype=float)
    below = objective <= goal
    index, ever = below.argmax(axis=0), below.any(axis=0)
    above = np.where(ever, steps[np.maximum(index - 1, 0)], steps[-1])
    return Arrival(curve, above, np.where(ever, steps[index], np.inf), round_medians(data.get("seconds") or []))


def first(arrivals: list[Arrival]) -> tuple[Arrival, list[tuple[Arrival, Quantity]]] | None:
    """The run with the smallest time to the target, and how many times longer each other takes, the next one first.

    A run that half of its seeds or more never finished is not a candidate, and comes last among the others. Time is in
    seconds where all candidates were timed, else in steps. None where no run reached the target.
    """
    timed = all(len(each.seconds) for each in arrivals)

    def cost(each: Arrival) -> float:
        value = each.total_seconds if timed else each.steps
        return math.inf if value is None else value

    ordered = sorted(arrivals, key=cost)
    if not ordered or cost(ordered[0]) == math.inf:
        return None
    level = 1 - (1 - WINNER_LEVEL) / max(len(ordered) - 1, 1)
    return ordered[0], [(other, longer(ordered[0], other, level)) for other in ordered[1:]]


def separated(ratio: Quantity) -> bool:
    """Whether the interval of a ratio of times shows that the other one takes longer, by more than MARGIN."""
    return ratio.ci is not None and ratio.ci[0] > MARGIN


def text(ratio: Quantity) -> tuple[str, str]:
    """A ratio of times and its interval, whose upper end may be open: `1.3` and `[1.1, 1.6]`, or `≥ 1.1`."""
    low, high = ratio.ci or (None, None)
    if ratio.value is not None and high is not None and math.isfinite(high):
        return quantity(ratio.value, low, high)
    return plain(ratio.value), "" if not low else f"≥ {plain(low)}"


def longer(a: Arrival, b: Arrival, level: float = LEVEL) -> Quantity:
    """How many times longer `b` takes to the target than `a`, paired over seeds, which see the same draws.

    The interval covers three things: the seeds, the rounds of timing, and the spacing of evaluations, between two of
    which nobody knows when the target was reached. So its lower end takes the last evaluation of `b` above the target
    and the first of `a` below it, its upper end the reverse. A seed that never arrives takes infinitely long. Where
    a run was not timed the ratio is that of the steps. No interval is given where there is one round of timing only,
    since the time of one process says nothing of another's.
    """
    seconds, reach = _times(a, b, level)
    steps = float(np.median(b.by)) / float(np.median(a.by)) if np.median(a.by) > 0 else math.nan
    if reach is None:
        return Quantity(_finite(seconds * steps), level=level)
    with np.errstate(divide="ignore", invalid="ignore"):
        least, most = (np.log(top / bottom) for top, bottom in ((b.above, a.by), (b.by, a.above)))
    low = _end(np.nan_to_num(least, nan=-np.inf, posinf=np.inf, neginf=-np.inf), level, lower=True) - reach
    high = _end(np.nan_to_num(most, nan=np.inf, posinf=np.inf, neginf=-np.inf), level, lower=False) + reach
    return Quantity(_finite(seconds * steps), None, (seconds * math.exp(low), seconds * _exp(high)), level)


def _times(a: Arrival, b: Arrival, level: float) -> tuple[float, float | None]:
    """The ratio of the seconds of a step and half the width of its logarithm's interval; None for one round."""
    if not (len(a.seconds) and len(b.seconds)):
        return 1.0, 0.0
    rounds = min(len(a.seconds), len(b.seconds))
    logs = np.log(b.seconds[:rounds] / a.seconds[:rounds])
    if rounds < 2:
        return math.exp(float(logs.mean())), None
    reach = t_isf((1 - level) / 2, rounds - 1) * float(logs.std(ddof=1)) / math.sqrt(rounds)
    return math.exp(float(logs.mean())), reach


def _end(values: Array, level: float, *, lower: bool) -> float:
    """One end of the interval of the typical value: Student's t where all are finite, else order statistics.

    Order statistics need no finite values: seeds that never arrive are the largest. Where there are too few seeds for
    the level, the end is infinite.
    """
    sign = -1.0 if lower else 1.0
    if np.isfinite(values).all() and len(values) > 1:
        reach = t_isf((1 - level) / 2, len(values) - 1) * float(values.std(ddof=1))
        return float(values.mean()) + sign * reach / math.sqrt(len(values))
    from scipy import stats  # here, as it takes a second to import and is seldom needed

    left_out = int(stats.binom.ppf((1 - level) / 2, len(values), 0.5))  # at each end; one more would be too many
    return float(np.sort(values)[left_out - 1 if lower else -left_out]) if left_out else sign * math.inf


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
