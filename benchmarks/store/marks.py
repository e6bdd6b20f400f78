"""Marks in the store which cell is being measured: a cell that ended the process is still marked, and runs last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from gradmark.benchmarks.store.store import Store

RUNNING, ENDED = "running", "ended"  # names in the store's table `meta`: the key of one, and a JSON list of keys


class Marks:
    """The keys of cells, training runs and experiments during which a process ended without an exception."""

    def __init__(self, store: Store) -> None:
        self._store = store
        kept = store.description()
        self.ended: list[str] = json.loads(kept.get(ENDED, "[]"))
        if kept.get(RUNNING) and kept[RUNNING] not in self.ended:
            self.ended.append(kept[RUNNING])
        self._keep("")

    @contextmanager
    def running(self, key: str) -> Iterator[None]:
        """Mark `key` while it is worked on; an exception removes the mark."""
        self._keep(key)
        try:
            yield
        finally:
            self._keep("")

    def done(self, key: str) -> None:
        """This one came to its end: the next run need not keep it for last."""
        if key in self.ended:
            self.ended.remove(key)
            self._keep("")

    def _keep(self, running: str) -> None:
        for name, value in ((RUNNING, running), (ENDED, json.dumps(self.ended))):
            self._store.rows.put("meta", name=name, value=value)
