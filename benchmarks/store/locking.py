"""One writer at a time: the process that writes to a store leaves a note, and a second writer's error names it."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gradmark.benchmarks.errors import BadInput

LOCK, WRITER = "store.lock", "writer.json"


class WriterLock:
    """The lock of a store's folder; the system frees it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock; BadInput names the process that has it."""
        self._lock, self._note = FileLock(folder / LOCK), folder / WRITER
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise BadInput(
                f"store {str(folder)!r}: locked: {_writer(self._note)}; wait for it, or use another --store"
            ) from None
        since = datetime.now(UTC).isoformat(timespec="seconds")
        self._note.write_text(json.dumps({"host": platform.node(), "process": os.getpid(), "since": since}))

    def release(self) -> None:
        """Give the lock back."""
        if self._lock.is_locked:
            self._note.unlink(missing_ok=True)
            self._lock.release()


def _writer(note: Path) -> str:
    """Who writes, by the note of that process; one that has just taken the lock may not have written it yet."""
    try:
        writer: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        return f"process {writer['process']} on {writer['host']!r} writes to it since {writer['since']}"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process writes to it"
