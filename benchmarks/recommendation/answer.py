"""The answer: which estimator with how many samples, how sure, what the next one costs, and what happened to others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.measurement.quantities import NOTHING, Quantity
from gradmark.benchmarks.measurement.timing_rounds import nested_median
from gradmark.benchmarks.recommendation.biased_methods import BiasedMethod
from gradmark.benchmarks.recommendation.candidates import BY, NO_INTERVAL, NOT_MEASURED, Candidate, LeftOut
from gradmark.benchmarks.recommendation.comparison import ranked, ratio_of
from gradmark.benchmarks.recommendation.halving import ERROR, ROUNDS, Race
from gradmark.benchmarks.recommendation.participants import merged

ROWS = ("survivors", "dropped", "undecided", "left_out", "biased", "exact")  # the lists of a recommendation


@dataclass(frozen=True)
class Row:
    """One estimator with one number of samples, as it was measured."""

    estimator: str
    state: str
    num_samples: int
    replicates: int
    total_variance: Quantity
    evaluations: int | None  # forward, of one estimate
    seconds: Quantity  # of one estimate
    value: Quantity  # the work-normalised variance
    ratio: Quantity  # of it, to that of the choice
    dropped: int | None = None  # the round after which it was
    bias: dict[str, Any] | None = None  # the test of bias, for those that are left

    def json(self) -> dict[str, Any]:
        """The same as plain data."""
        plain = {name: each.json() if isinstance(each, Quantity) else each for name, each in vars(self).items()}
        return plain if self.bias is not None else {name: each for name, each in plain.items() if name != "bias"}


@dataclass(frozen=True)
class Biased:
    """A method that declares a bias, with its size."""

    row: Row
    norm: Quantity  # of the bias, over all coordinates
    better_up_to: float | None  # evaluations of one gradient, below which its mean squared error is the smaller

    def json(self) -> dict[str, Any]:
        """The same as plain data."""
        return self.row.json() | {"norm_of_bias": self.norm.json(), "better_up_to": self.better_up_to}


@dataclass(frozen=True)
class Recommendation:
    """The answer: `str()` gives it in sentences, `code` is a training loop, `json()` all of it as plain data."""

    where: Cell  # of every candidate: its problem, parameter point, device, dtype and seed
    by: str  # "evaluations" | "seconds": the work that normalises the variance
    survivors: list[Row]  # the choice first, then those that are not separated from it
    dropped: list[Row]
    undecided: list[LeftOut]  # those that have no interval, or that the budget did not reach
    left_out: list[LeftOut]
    biased: list[Biased]
    exact: list[Row]  # methods that give the exact gradient
    tests: int  # comparisons that ERROR is spread over, the probability that one was dropped by mistake
    round: int  # the last one that was begun
    budget: float
    spent: bool
    seconds: float = 0.0  # that all of it took
    answer: str = field(default="", repr=False)  # in sentences
    code: str = field(default="", repr=False)

    @property
    def status(self) -> str:
        """What kind of answer it is: "clear", "no clear winner", "incomplete", "exact" or "none".

        It is incomplete where one method is left of those that were compared, and others are undecided.
        """
        if not self.survivors:
            return "exact" if self.exact else "none"
        names = {row.estimator for row in self.survivors}
        if len(names) > 1:
            return "no clear winner"
        return "clear" if {each.estimator for each in self.undecided} <= names else "incomplete"

    @property
    def choice(self) -> Row | None:
        """The estimator to use; None where none can be compared."""
        return self.survivors[0] if self.survivors else self.exact[0] if self.exact else None

    @property
    def next(self) -> Row | None:
        """The best row of another estimator than the choice."""
        rows = (*self.survivors, *self.dropped)
        return next((row for row in rows if row.estimator != rows[0].estimator), None)

    def json(self) -> dict[str, Any]:
        """All of it as plain data."""
        rows = {name: [each.json() for each in getattr(self, name)] for name in ROWS}
        ends = {"choice": self.choice, "next": self.next}
        found = {name: None if row is None else row.json() for name, row in ends.items()}
        where = {name: getattr(self.where, name) for name in ("problem", "at", "device", "dtype", "seed")}
        rest = {name: value for name, value in vars(self).items() if name not in ("where", *ROWS)}
        measure = {"status": self.status, "measure": BY[self.by], "error": ERROR, "rounds": len(ROUNDS)}
        return where | found | rest | rows | measure

    def __str__(self) -> str:
        return self.answer


def row_of(candidate: Candidate, choice: Candidate | None, by: str, dropped: int | None, tested: bool) -> Row:
    """The row of a candidate that has blocks."""
    cell = candidate.cell
    comparable = choice is not None and candidate.incomparable(by) is None
    return Row(
        *(cell.estimator, cell.state, cell.num_samples, candidate.replicates, candidate.variance, candidate.forward),
        seconds=nested_median(candidate.seconds),
        value=candidate.value(by),
        ratio=ratio_of(candidate, choice, by) if comparable and choice is not None else NOTHING,
        dropped=dropped,
        bias=candidate.summary()["bias"] if tested else None,
    )


def rows_of(race: Race) -> tuple[list[Row], list[Row], list[LeftOut]]:
    """The survivors, the dropped ones, and the undecided: what is left but cannot be compared, or was not reached."""
    alive = ranked(race.alive, race.by)
    choice = alive[0] if alive else None
    survivors = [row_of(each, choice, race.by, None, True) for each in alive]
    dropped = [row_of(each.candidate, choice, race.by, each.round, False) for each in race.dropped]
    dropped.sort(key=lambda row: float("inf") if row.ratio.value is None else row.ratio.value)
    waiting = [each for each in race.alive if all(each is not other for other in alive)]
    return survivors, dropped, merged([*(_undecided(each, race.by) for each in waiting), *race.not_measured])


def _undecided(candidate: Candidate, by: str) -> LeftOut:
    cell: Cell = candidate.cell
    reason = candidate.incomparable(by) or ""
    return LeftOut(cell.estimator, (cell.num_samples,), reason, NO_INTERVAL if candidate.blocks else NOT_MEASURED)


def biased_row(method: BiasedMethod, choice: Candidate | None, by: str) -> Biased:
    """A method that declares a bias, with its size."""
    return Biased(row_of(method.candidate, choice, by, None, True), method.norm, method.better_up_to)
