"""Candidates of one problem: prepared, measured and timed by whoever measures the cells of a study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.execution.limits import Limits
from gradmark.benchmarks.execution.prepare import NO_CUDA, Known, PointRefusal
from gradmark.benchmarks.execution.work import Failed, Measurer
from gradmark.benchmarks.execution.worker_client import Worker
from gradmark.benchmarks.recommendation.budget import Budget
from gradmark.benchmarks.recommendation.candidates import Candidate, LeftOut
from gradmark.benchmarks.store.marks import Marks
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies.progress import SILENT, Progress
from gradmark.benchmarks.studies.workplace import Workplace
from gradmark.benchmarks.training import points
from gradmark.benchmarks.training.points import Refusal

PROCESSES = 3  # that time all candidates in each round, where seconds decide
Lost = list[tuple[Candidate, LeftOut]]  # candidates whose code failed, and why


@dataclass
class Measuring:
    """What measures, the budget, and the parameters of the point once they are known."""

    workplace: Workplace
    budget: Budget
    limits: Limits
    progress: Progress = SILENT
    _point: bytes | None = field(default=None)

    def measurer(self, cells: Sequence[Cell]) -> Measurer:
        """Whoever measures these cells: this process, or another one for code from outside."""
        return self.workplace.measurer(*(text for cell in cells for text in (cell.problem, cell.estimator)))

    def prepared(self, cell: Cell) -> Candidate | LeftOut:
        """The cell, ready to be measured, or why it is left out; BadInput where there is no point or device."""
        self.progress.start(f"{cell.estimator}, {cell.num_samples} samples")
        measurer, kept = self.measurer([cell]), None if cell.at.endswith(points.SUFFIXES) else self._point
        known = self.budget.limited(lambda: measurer.prepare(cell, kept))
        if isinstance(known, PointRefusal) or (isinstance(known, Refusal) and known.reason == NO_CUDA):
            raise BadInput(known.reason)  # every candidate would get it
        if not isinstance(known, Known):
            return _left_out(cell, known.reason, "failed" if isinstance(known, Failed) else "refused")
        self._point = known.params
        costs = self.budget.limited(lambda: measurer.costs(cell, known.params))
        if isinstance(costs, Failed):
            return _left_out(cell, costs.reason, "failed")
        return Candidate(cell, measurer, known, costs["forward"], costs["backward"])

    def grown(self, candidate: Candidate, replicates: int) -> LeftOut | None:
        """Measure a candidate up to so many replicates; why it is left out where its code fails."""
        self.progress.start(f"{candidate.cell.estimator}, {candidate.cell.num_samples} samples")
        failed = candidate.grow(replicates, self.budget)
        return None if failed is None else _left_out(candidate.cell, failed.reason, "failed")

    def timed(self, candidates: Sequence[Candidate], more: float = 0.0) -> Lost:
        """Time them in turn, one round in the process that measured them; those whose code fails.

        It may take the rest of the budget, and this share of it more.
        """
        cells = [candidate.cell for candidate in candidates]
        return self._round(self.measurer(cells), candidates, more) if cells else []

    def timed_apart(self, candidates: Sequence[Candidate]) -> Lost:
        """Time them in rounds, each in a new process, for intervals that hold from one process to the next.

        Objects of the caller cannot be found from another process: these are timed in as many rounds in this one.
        """
        lost: Lost = []
        texts = {text for each in candidates for text in (each.cell.problem, each.cell.estimator)}
        here = any(map(specs.is_given, texts))
        for number in range(PROCESSES):
            self.progress.start(f"timing, round {number + 1} of {PROCESSES}")
            left = [each for each in candidates if all(each is not failed for failed, _ in lost)]
            if here:
                lost += self.timed(left)
            else:
                with Worker(self.limits, fresh=True) as worker:
                    lost += self._round(worker, left)
        return lost

    def _round(self, measurer: Measurer, candidates: Sequence[Candidate], more: float = 0.0) -> Lost:
        lost: Lost = []
        subjects = [(each.cell, each.known.params) for each in candidates]
        timings = self.budget.limited(lambda: measurer.time(subjects), more)
        for candidate, seconds in zip(candidates, timings.seconds, strict=True):
            if isinstance(seconds, Failed):
                lost.append((candidate, _left_out(candidate.cell, seconds.reason, "failed")))
            else:
                candidate.seconds.append(seconds)
        return lost


@contextmanager
def measuring(budget: Budget, limits: Limits, progress: Progress = SILENT) -> Iterator[Measuring]:
    """What measures within the block; nothing is stored."""
    with Store(None) as store, Workplace(store, progress, Marks(store), limits) as workplace:
        yield Measuring(workplace, budget, limits, progress)
        workplace.here.forget()


def _left_out(cell: Cell, reason: str, kind: str) -> LeftOut:
    return LeftOut(cell.estimator, (cell.num_samples,), reason, kind)
