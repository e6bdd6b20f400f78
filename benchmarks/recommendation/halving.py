"""Successive halving: after each round of blocks, candidates that are separated from the best are dropped.

What is controlled: the probability that any candidate is dropped by mistake, that is on account of one that is not
better, is at most `ERROR`, over all candidates and all rounds. After each round every candidate is compared with the
one of the smallest work-normalised variance. Whichever that is, a mistake needs one of the candidates × (candidates −
1) × `len(ROUNDS)` intervals of ratios to lie above 1 though the ratio does not; each lower end has the one-sided level
ERROR over their number (Bonferroni). A budget that ends within a round makes that round's comparison with what there
is by then.

A leader is tested for bias before anything is dropped on its account, and so is whatever is left at the end, at `BIAS`
over all candidates and rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.measurement.bias_test import FAMILY_LEVEL, FEWEST_FOR_BIAS
from gradmark.benchmarks.measurement.quantities import Quantity
from gradmark.benchmarks.recommendation.budget import Spent
from gradmark.benchmarks.recommendation.candidates import Candidate, LeftOut, not_measured
from gradmark.benchmarks.recommendation.comparison import ranked, ratio_of, separated
from gradmark.benchmarks.recommendation.measuring import Measuring

ROUNDS = (128, 512, 2048, 8192, 32768)  # replicates of each candidate at the end of each round, in whole blocks
ERROR = 0.05  # probability that a candidate is dropped by mistake, over all comparisons
BIAS = FAMILY_LEVEL  # probability that an unbiased candidate is called biased, over all of them


@dataclass(frozen=True)
class Dropped:
    """A candidate that was dropped, in which round, and its ratio to the leader of that round."""

    candidate: Candidate
    round: int
    ratio: Quantity


@dataclass
class Race:
    """The state of the rounds."""

    by: str
    pending: list[Cell]  # not prepared yet
    alive: list[Candidate] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    round: int = 0  # the last one that was begun
    spent: bool = False
    cells: int = 0  # that are compared; fixed at the first comparison

    @property
    def tests(self) -> int:
        """How many comparisons there are at the most: every pair both ways, after every round."""
        return max(self.cells * (self.cells - 1), 1) * len(ROUNDS)

    @property
    def not_measured(self) -> list[LeftOut]:
        """The cells that the budget did not reach."""
        return [not_measured(cell.estimator, cell.num_samples) for cell in self.pending]

    @property
    def level(self) -> float:
        """The two-sided level of the interval whose lower end drops a candidate."""
        return 1 - 2 * ERROR / self.tests

    @property
    def done(self) -> bool:
        """Whether further rounds could not change the answer."""
        comparable = ranked(self.alive, self.by)
        return len(self.alive) < 2 or (len(comparable) == len(self.alive) and all(c.noiseless for c in comparable))


def race(cells: Sequence[Cell], by: str, measuring: Measuring) -> Race:
    """Run the rounds until one candidate is left, all rounds are done, or the budget is spent."""
    state = Race(by, list(cells))
    for number, replicates in enumerate(ROUNDS, 1):
        state.round, before = number, _measured(state)
        try:
            _measure(state, replicates, measuring)
        except Spent:
            state.spent = True
        if _measured(state) != before:
            compare(state, measuring)
        if state.spent or state.done:
            break
    for candidate in ranked(state.alive, by):
        if (reason := biased(candidate, state.cells * len(ROUNDS))) is not None:
            _leave_out(state, candidate, reason)
    return state


def _measured(state: Race) -> list[tuple[int, int]]:
    return [(len(each.blocks), len(each.seconds)) for each in state.alive]


def _measure(state: Race, replicates: int, measuring: Measuring) -> None:
    while state.pending:
        found = measuring.prepared(state.pending[0])
        state.pending.pop(0)
        if isinstance(found, LeftOut):
            state.left_out.append(found)
        else:
            state.alive.append(found)
            _grow(state, found, replicates, measuring)
    for candidate in list(state.alive):
        _grow(state, candidate, replicates, measuring)
    if state.by == "seconds":
        for candidate, reason in measuring.timed_apart(state.alive):
            _leave_out(state, candidate, reason)


def _grow(state: Race, candidate: Candidate, replicates: int, measuring: Measuring) -> None:
    reason = measuring.grown(candidate, replicates)
    if reason is not None:
        _leave_out(state, candidate, reason)


def compare(state: Race, measuring: Measuring) -> None:
    """Drop what is separated from the leader, after the leader's test of bias."""
    state.cells = state.cells or len(state.alive) + len(state.pending)
    leader = _unbiased_leader(state, measuring)
    if leader is None:
        return
    for candidate in ranked(state.alive, state.by):
        found = ratio_of(candidate, leader, state.by, state.level)
        if candidate is not leader and separated(found):
            state.alive = [each for each in state.alive if each is not candidate]
            state.dropped.append(Dropped(candidate, state.round, found))


def _unbiased_leader(state: Race, measuring: Measuring) -> Candidate | None:
    """The candidate of the smallest work-normalised variance that does not fail the test of bias.

    It is measured until the test can be made; a budget that ends before leaves it untested.
    """
    while leaders := ranked(state.alive, state.by):
        leader = leaders[0]
        try:
            reason = measuring.grown(leader, FEWEST_FOR_BIAS)
        except Spent:
            state.spent, reason = True, None
        reason = reason or biased(leader, state.cells * len(ROUNDS))
        if reason is None and ranked(state.alive, state.by)[0] is leader:
            return leader
        if reason is not None:
            _leave_out(state, leader, reason)
    return None


def biased(candidate: Candidate, tests: int) -> LeftOut | None:
    """Why a candidate is left out that fails the test of bias, at BIAS over so many tests; None if it does not."""
    bias = candidate.summary()["bias"]
    if bias["p_value"] is None or bias["p_value"] >= BIAS / tests:
        return None
    reason = f"fails the test of bias: off by {bias['size']:.3g} at {bias['coordinate']}; `gradmark check` says why"
    return LeftOut(candidate.cell.estimator, (candidate.cell.num_samples,), reason, "biased")


def _leave_out(state: Race, candidate: Candidate, reason: LeftOut) -> None:
    state.alive = [each for each in state.alive if each is not candidate]
    state.left_out.append(reason)
