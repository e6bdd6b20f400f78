"""The work on cells, training runs and experiments, each asked for by plain data; here, or in another process.

`Measurer` is what a run needs done. `Here` does it in this process;
`gradmark.benchmarks.execution.worker_client.Worker` has it done by another one, with the same code. Whatever code of a
cell raises becomes `Failed`: data, with the reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Cell, Inquiry, Training
from gradmark.benchmarks.errors import BadInput, one_line, reason_of, shortened
from gradmark.benchmarks.execution.prepare import NO_CUDA, Known, Ready, prepare, prepare_again
from gradmark.benchmarks.execution.surroundings import surroundings
from gradmark.benchmarks.experiment import Experiment, plain
from gradmark.benchmarks.measurement import timing
from gradmark.benchmarks.measurement.block import measure_block
from gradmark.benchmarks.measurement.evaluations import count_evaluations
from gradmark.benchmarks.measurement.machine_load import Others
from gradmark.benchmarks.measurement.moments import Moments
from gradmark.benchmarks.measurement.peak_memory import peak_memory
from gradmark.benchmarks.shared_data import written
from gradmark.benchmarks.training import convergence
from gradmark.benchmarks.training.points import Refusal

T = TypeVar("T")


@dataclass(frozen=True)
class Failed:
    """Why something could not be measured: what its code raised, or how its process ended."""

    reason: str


@dataclass(frozen=True)
class Round:
    """One round of timing: the repeats of each call, or why it failed, and how busy the machine was meanwhile."""

    seconds: list[list[float] | Failed]
    busy: float | None


class Measurer(Protocol):
    """Whoever measures: each call does one piece of work, of which nothing is left but what it returns."""

    def prepare(self, cell: Cell, kept: bytes | Refusal | None) -> Known | Refusal | Failed:
        """What is known of a cell before its blocks; `kept` is what was found of its point before."""
        ...

    def block(self, cell: Cell, index: int) -> Moments | Failed:
        """One block of a cell that was prepared."""
        ...

    def costs(self, cell: Cell, archive: bytes) -> dict[str, Any] | Failed:
        """Evaluations and peak memory of one estimate."""
        ...

    def time(self, cells: Sequence[tuple[Cell, bytes]]) -> Round:
        """One round of timing of cells of one table, which take turns."""
        ...

    def train(self, training: Training, tick: Callable[[], object]) -> dict[str, Any] | Refusal | Failed:
        """One whole training run; `tick` is called as it goes."""
        ...

    def time_steps(self, trainings: Sequence[Training]) -> Round:
        """One round of timing of one step of each training run of a figure."""
        ...

    def experiment(self, inquiry: Inquiry) -> dict[str, Any] | Refusal | Failed:
        """One experiment: its `tables`, `facts` and `seconds`."""
        ...

    def forget(self) -> None:
        """The prepared cells are not needed any more."""
        ...


@dataclass
class Here:
    """This process. `caught` is what counts as a failure of the cell's code and not as an end of the run."""

    caught: type[BaseException] = Exception
    turn: Callable[[int], object] = lambda index: None  # hears which call of a round has its turn
    _ready: dict[str, Ready] = field(default_factory=dict)

    def read(self, kind: str, text: str) -> Failed | None:
        """Read a spec, so that its plug-ins are imported; BadInput where it cannot be read."""
        return self._guarded(lambda: (specs.read(kind, text), None)[1])

    def prepare(self, cell: Cell, kept: bytes | Refusal | None) -> Known | Refusal | Failed:
        prepared = _unspoilt(self._guarded(lambda: prepare(cell, kept)))
        if isinstance(prepared, tuple):
            self._ready[cell.key], prepared = prepared
        return prepared

    def block(self, cell: Cell, index: int) -> Moments | Failed:
        ready = self._ready[cell.key]
        size, seed = 1 if ready.once else ready.size, ready.seed(index)
        return self._guarded(lambda: measure_block(ready.setting, size, seed, ready.warm(index)))

    def costs(self, cell: Cell, archive: bytes) -> dict[str, Any] | Failed:
        def counted() -> dict[str, Any]:
            setting = self._settled(cell, archive).setting
            counts = count_evaluations(setting)
            memory = peak_memory(setting)
            return {"forward": counts.forward, "backward": counts.backward, "peak_memory_bytes": memory}

        return _unspoilt(self._guarded(counted))

    def time(self, cells: Sequence[tuple[Cell, bytes]]) -> Round:
        makers = [lambda each=each: timing.one_estimate(self._settled(*each).setting) for each in cells]
        return self._round(makers, cells[0][0].device)

    def train(self, training: Training, tick: Callable[[], object]) -> dict[str, Any] | Refusal | Failed:
        def trained() -> dict[str, Any] | Refusal:
            if training.device == "cuda" and not torch.cuda.is_available():
                return Refusal(NO_CUDA)
            solver = specs.solver(training.solver)
            reason = solver.refuses(specs.problem(training.problem))
            if reason is not None:
                return Refusal(reason_of(solver, reason))
            return convergence.train(training, lambda share: tick())

        return _unspoilt(self._guarded(trained))

    def time_steps(self, trainings: Sequence[Training]) -> Round:
        makers = [lambda each=each: convergence.one_step(each) for each in trainings]
        return self._round(makers, trainings[0].device)

    def experiment(self, inquiry: Inquiry) -> dict[str, Any] | Refusal | Failed:
        def answered() -> dict[str, Any] | Refusal:
            experiment = specs.experiment(inquiry.experiment)
            reason = experiment.refuses()
            if reason is not None:
                return Refusal(reason_of(experiment, reason))
            start = time.perf_counter()
            tables = plain(experiment.run(inquiry.seed))
            facts = {"title": experiment.title, "reference": experiment.reference, "threads": torch.get_num_threads()}
            facts |= _parts(experiment)
            return {"tables": tables, "facts": plain(facts), "seconds": time.perf_counter() - start}

        return _unspoilt(self._guarded(answered))

    def forget(self) -> None:
        self._ready.clear()

    def _settled(self, cell: Cell, archive: bytes) -> Ready:
        """The cell as it was prepared, or made ready again."""
        if cell.key not in self._ready:
            self._ready[cell.key] = prepare_again(cell, archive)
        return self._ready[cell.key]

    def _round(self, makers: Sequence[Callable[[], Callable[[], object]]], device: str) -> Round:
        others = Others()
        columns = timing.in_turn(makers, torch.device(device), timing.REPEATS, self.caught, self.turn, surroundings)
        seconds = [Failed(one_line(each)) if isinstance(each, BaseException) else each for each in columns]
        return Round(seconds, others.share())

    def _guarded(self, work: Callable[[], T]) -> T | Failed:
        """`work`, or Failed where the cell's code raised; bad input and interruptions end the run."""
        try:
            with surroundings():
                return work()
        except BadInput:
            raise
        except self.caught as fault:
            return Failed(one_line(fault))


def _parts(experiment: Experiment) -> dict[str, str | None]:
    """The class of an experiment and the text of its problem, if it has one: reports need not read its text."""
    problem = getattr(experiment, "problem", None)
    return {"experiment": type(experiment).__name__, "problem": None if problem is None else str(problem)}


def _unspoilt(result: T | Failed) -> T | Failed:
    """What was found; Failed where the code wrote to data that all cells share, which then are made anew."""
    names = ", ".join(written())
    return Failed(f"wrote to {shortened(names, 200)}, which all cells share; write to a copy") if names else result
