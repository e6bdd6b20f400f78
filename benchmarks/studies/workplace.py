"""What a run works with: the store, the measurer, and the cells that ended the process in an earlier run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from gradmark.benchmarks import spec_text, specs
from gradmark.benchmarks.execution.limits import Limits
from gradmark.benchmarks.execution.work import Here, Measurer
from gradmark.benchmarks.execution.worker_client import Worker
from gradmark.benchmarks.plugins import modules
from gradmark.benchmarks.store.marks import Marks
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies.progress import Progress


@dataclass
class Workplace:
    """One run. Work that ended the process the last time is left for a second pass, `late`, in another process."""

    store: Store
    progress: Progress
    marks: Marks
    limits: Limits
    late: bool = False
    last: frozenset[str] = field(init=False)  # the keys of the second pass
    here: Here = field(init=False, default_factory=Here)
    worker: Worker = field(init=False)

    def __post_init__(self) -> None:
        self.last = frozenset(self.marks.ended)
        self.worker = Worker(self.limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.close()

    def due(self, key: str) -> bool:
        """Whether work of this key belongs to the pass that is running."""
        return (key in self.last) == self.late

    def measurer(self, *texts: str) -> Measurer:
        """Whoever measures what these specs spell, together, so that all are timed in one process.

        A class of `__main__` cannot be found from another process, and its code runs in this one already; so does that
        of objects which the caller gave.
        """
        named = [text for text in texts if not specs.is_given(text)]
        calls = [call for text in named for call in spec_text.parse(text).calls()]
        elsewhere = self.late or any(map(modules.comes_from_outside, named))
        return self.worker if elsewhere and not any(call.name.startswith("__main__.") for call in calls) else self.here
