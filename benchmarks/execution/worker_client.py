"""The other process: cells that run code from outside are measured there, so that they cannot end the study.

`Worker` answers like `gradmark.benchmarks.execution.work.Here`, with the same numbers to the bit. A process that dies,
or that gives no sign of life for too long, fails the cell that it was at, with file and line; the next call starts
another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Self, cast

from gradmark.benchmarks.cells import Cell, Inquiry, Training
from gradmark.benchmarks.crash import ended
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.execution.limits import Limits
from gradmark.benchmarks.execution.messages import encode
from gradmark.benchmarks.execution.prepare import Known
from gradmark.benchmarks.execution.processes import Late, Process, Server, heard, kept_server
from gradmark.benchmarks.execution.work import Failed, Round
from gradmark.benchmarks.measurement.moments import Moments
from gradmark.benchmarks.training.points import SUFFIXES, Refusal


def reader(limits: Limits) -> Callable[[str, str], str | None]:
    """What reads a spec in another process, once, and returns why it cannot be read here; None where it can be.

    Importing a plug-in runs it: code that ends or blocks its process then ends that one.
    """

    @cache
    def fault(kind: str, text: str) -> str | None:
        with Worker(limits) as worker:
            try:
                found = worker.read(kind, text)
            except BadInput as bad:
                return str(bad)
        return f"loading it: {found.reason}" if isinstance(found, Failed) else None

    return fault


class Worker:
    """Measures in other processes, one for each cell, which starts as clean as the first; `with Worker(limits)`.

    A `fresh` worker shares nothing with any other: the rounds of timing of several of them are independent.
    """

    def __init__(self, limits: Limits, fresh: bool = False) -> None:
        self._limits = limits
        self._fresh = fresh
        self._own: Server | None = None
        self._process: Process | None = None
        self._kept: dict[str, bytes] = {}  # the parameters of the cells that were prepared

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self._own is not None:
            self._own.close()

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def read(self, kind: str, text: str) -> Failed | None:
        """Read a spec there, with all that its plug-ins do while they are imported; BadInput where it cannot be."""
        return self._ask(f"{kind} {text}", "read", [kind, text], bad_input=True)

    def prepare(self, cell: Cell, kept: bytes | Refusal | None) -> Known | Refusal | Failed:
        found = self._ask(cell.key, "prepare", [cell, kept], bad_input=cell.at.endswith(SUFFIXES))
        if isinstance(found, Known):
            self._kept[cell.key] = found.params
            self._process_for(cell.key).prepared.add(cell.key)
        return found

    def block(self, cell: Cell, index: int) -> Moments | Failed:
        if cell.key not in self._process_for(cell.key).prepared:  # another one prepared it
            again = self.prepare(cell, self._kept[cell.key])
            if not isinstance(again, Known):
                return Failed(again.reason)
        return self._ask(cell.key, "block", [cell, index])

    def costs(self, cell: Cell, archive: bytes) -> dict[str, Any] | Failed:
        return self._ask(cell.key, "costs", [cell, archive])

    def time(self, cells: Sequence[tuple[Cell, bytes]]) -> Round:
        return self._round("time", list(cells))

    def train(self, training: Training, tick: Callable[[], object]) -> dict[str, Any] | Refusal | Failed:
        return self._ask(training.key, "train", [training], lambda turn: tick())

    def time_steps(self, trainings: Sequence[Training]) -> Round:
        return self._round("time_steps", list(trainings))

    def experiment(self, inquiry: Inquiry) -> dict[str, Any] | Refusal | Failed:
        return self._ask(inquiry.key, "experiment", [inquiry])

    def forget(self) -> None:
        self._kept.clear()
        self.close()

    def _round(self, call: str, subjects: list[Any]) -> Round:
        """One round of timing; a call that ends the process is failed, and the others are timed without it."""
        left, found = list(range(len(subjects))), cast(dict[int, list[float] | Failed], {})
        busy = None
        turns: list[int | None] = []
        while left:
            turns[:] = [0]
            answer = self._ask("", call, [[subjects[i] for i in left]], turns.append)
            if isinstance(answer, Round):
                found |= dict(zip(left, answer.seconds, strict=True))
                busy, left = answer.busy, []
            else:
                found[left.pop(turns[-1] or 0)] = answer
        return Round([found[i] for i in range(len(subjects))], busy)

    def _ask(
        self,
        about: str,
        call: str,
        arguments: list[Any],
        turn: Callable[[int | None], object] = lambda turn: None,
        bad_input: bool = False,
    ) -> Any:
        """The answer of the process, or Failed where it gave none; BadInput where the input was bad."""
        process = self._process_for(about)
        try:
            process.pipe.send_bytes(encode({"call": call, "arguments": arguments, "seconds": self._limits.seconds}))
            reply = heard(process.pipe, self._limits.seconds, turn)
        except (Late, EOFError, OSError, ValueError, KeyError) as fault:
            return self._dead(late=isinstance(fault, Late))
        except BaseException:
            self.close()
            raise
        if "bad" in reply and bad_input:
            raise BadInput(reply["bad"])
        return self._explained(reply["answer"] if "answer" in reply else Failed(reply["bad"]))

    def _process_for(self, about: str) -> Process:
        """The process of this cell; another one where the last died, or was for another cell."""
        if self._process is not None and self._process.about != about:
            self.close()
        if self._process is None:
            self._process = self._server().start(self._limits)
            self._process.about = about
        return self._process

    def _server(self) -> Server:
        if not self._fresh:
            return kept_server()
        if self._own is None:
            self._own = Server()
        return self._own

    def _dead(self, late: bool) -> Failed:
        """Why there is no answer."""
        assert self._process is not None, "it was asked"
        code, where = self._process.kill()
        self._process = None
        how = "the code closed its pipe, through which it is asked" if code is None else ended(code)
        if late:
            how = f"no answer within {self._limits.seconds:g} seconds; give it more with --cell-seconds"
        return Failed(how + (f" ({where})" if where else ""))

    def _explained(self, answer: Any) -> Any:
        """The answer; where memory ran out, with the limit and the remedy."""
        if not isinstance(answer, Failed):
            return answer
        if "MemoryError" in answer.reason or "can't allocate memory" in answer.reason:
            limit = f"{self._limits.bytes / 2**30:.3g} GiB"
            return Failed(f"{answer.reason}; it may take {limit}: give it more with --cell-memory")
        return answer
