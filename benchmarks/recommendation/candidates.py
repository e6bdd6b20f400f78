"""One estimator with one number of samples, and its blocks, which grow from round to round."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.execution.prepare import Known
from gradmark.benchmarks.execution.work import Failed, Measurer
from gradmark.benchmarks.measurement.moments import Array, Moments
from gradmark.benchmarks.measurement.quantities import NOT_COUNTED, ZERO, Quantity, product, scaled
from gradmark.benchmarks.measurement.timing_rounds import nested_median
from gradmark.benchmarks.measurement.total_variance import or_exact, rounding_of, total_variance
from gradmark.benchmarks.recommendation.budget import Budget
from gradmark.benchmarks.store.records import Record
from gradmark.benchmarks.studies.summary import summarise

NO_NOISE = 1e-12  # times the objective: a standard deviation within it is rounding
BY = {"evaluations": "variance × evaluations", "seconds": "variance × seconds"}  # the work that normalises a variance

NOT_MEASURED, NO_INTERVAL = "not measured", "no interval"  # why nothing is decided on a candidate


@dataclass(frozen=True)
class LeftOut:
    """An estimator that is not compared, with which numbers of samples, and why."""

    estimator: str
    num_samples: tuple[int, ...]
    reason: str
    kind: str = "refused"  # "refused" | "failed" | "biased" | "other target" | NOT_MEASURED | NO_INTERVAL

    def json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**vars(self), "num_samples": list(self.num_samples)}


def not_measured(estimator: str, *num_samples: int) -> LeftOut:
    """An estimator that the budget did not reach."""
    return LeftOut(estimator, num_samples, "the budget was spent before", NOT_MEASURED)


@dataclass
class Candidate:
    """A cell that was prepared, with what was measured of it."""

    cell: Cell
    measurer: Measurer
    known: Known
    forward: int | None  # evaluations of the cost in one estimate; None where they could not be counted
    backward: int | None
    blocks: list[Moments] = field(default_factory=list)
    seconds: list[list[float]] = field(default_factory=list)  # of one estimate: rounds of repeats

    @property
    def replicates(self) -> int:
        """How many estimates were made."""
        return sum(block.replicates for block in self.blocks)

    def grow(self, replicates: int, budget: Budget) -> Failed | None:
        """Measure whole blocks until there are so many replicates; Spent where the budget ends before."""
        wanted = min(-(-replicates // int(self.known.facts["block"])), self.known.blocks)
        while len(self.blocks) < wanted:
            block = budget.limited(lambda: self.measurer.block(self.cell, len(self.blocks)))
            if isinstance(block, Failed):
                return block
            self.blocks.append(block)
            for name in ("moments", "_measured"):  # are of all blocks
                vars(self).pop(name, None)
        return None

    @property
    def record(self) -> Record:
        """What is known of the cell, as a store gives it."""
        timing = {"forward": self.forward, "backward": self.backward, "peak_memory_bytes": None, "threads": None}
        timing |= {"seconds": self.seconds}
        return Record(self.cell, "measured", None, self.known.facts, self.known.exact, timing, self.blocks)

    @cached_property
    def moments(self) -> Moments:
        """All blocks as one."""
        return self.record.moments

    def summary(self) -> dict[str, Any]:
        """All quantities of the cell."""
        return summarise(self.record)

    def traces(self, blocks: int) -> Array:
        """The total variance of every group of replicates of the first so many blocks."""
        return replace(self.record, blocks=self.blocks[:blocks]).moments.traces[:, 0]

    @property
    def withheld(self) -> str | None:
        """Why the interval of the measured variance cannot be trusted, if so."""
        return self._measured.withheld

    @property
    def variance(self) -> Quantity:
        """The total variance; the exact one where the measured one's interval is withheld and it is known."""
        exact: dict[str, Any] = self.known.facts["exact_variance"] or {}
        return or_exact(self._measured, exact.get("value"), exact.get("error"), exact.get("stderr"))

    @cached_property
    def _measured(self) -> Quantity:
        if self.known.facts["deterministic"]:
            return ZERO
        return total_variance(self.moments, self.known.facts["exact_variance"])

    @property
    def noiseless(self) -> bool:
        """Whether its variance is known to be zero, up to rounding."""
        scale = abs((self.known.facts["objective"] or {}).get("value") or 0.0)
        least = max(rounding_of(self.moments), (NO_NOISE * scale) ** 2)
        return self.variance.value is not None and self.variance.value <= least and self.variance.withheld is None

    def value(self, by: str) -> Quantity:
        """The work-normalised variance: the total variance times what one estimate costs."""
        if by == "seconds":
            return product(self.variance, nested_median(self.seconds))
        return scaled(self.variance, self.forward or 0)

    def incomparable(self, by: str) -> str | None:
        """Why it cannot be compared as it is; None where it can."""
        if not self.blocks:
            return "the budget was spent before its first block"
        lost = sum(block.nonfinite for block in self.blocks)
        if lost:
            return f"{lost} of {self.replicates} gradients are not finite"
        if self.variance.value is None:
            return "its variance is not known"
        if self.variance.withheld is not None:
            return self.variance.withheld
        if self.noiseless:
            return None
        if self.variance.ci is None:
            return f"{self.replicates} replicates make no interval yet"
        if by == "evaluations" and not self.forward:
            return f"its evaluations are {NOT_COUNTED}; use --by seconds"
        return "it was not timed" if by == "seconds" and not self.seconds else None
