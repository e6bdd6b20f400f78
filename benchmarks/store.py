"""What was measured, and its provenance: a folder with one SQLite file, which survives a kill; imports no torch."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.cells import Cell, Inquiry, Training
from benchmarks.errors import BadInput
from benchmarks.moments import Array, Moments
from benchmarks.records import Curve, Outcome, Record

VERSION = 2  # of the schema; a store of a newer one is refused, never touched, and one of an older one gets new tables

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS provenance (id INTEGER PRIMARY KEY, facts TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cells (
    key TEXT PRIMARY KEY, position INTEGER NOT NULL, cell TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
    facts TEXT, exact BLOB, timing TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (
    key TEXT NOT NULL, number INTEGER NOT NULL, moments BLOB NOT NULL, PRIMARY KEY (key, number));
CREATE TABLE IF NOT EXISTS places (
    problem TEXT NOT NULL, at TEXT NOT NULL, digest TEXT NOT NULL, params BLOB, reason TEXT,
    PRIMARY KEY (problem, at));
CREATE TABLE IF NOT EXISTS trainings (
    key TEXT PRIMARY KEY, position INTEGER NOT NULL, training TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
    curve TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS experiments (
    key TEXT PRIMARY KEY, position INTEGER NOT NULL, inquiry TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
    seconds REAL, provenance INTEGER, facts TEXT, tables TEXT) WITHOUT ROWID;
"""


class Store:
    """A folder of results; `with Store(path) as store`. Every call that fails says so in one line (BadInput)."""

    def __init__(self, path: Path | None, *, write: bool = True) -> None:
        """Open the store in the folder `path`, made where missing; None is a store in memory."""
        self.path = path
        with self._faults():
            self._base = self._connect(write)
            self._check()

    def _connect(self, write: bool) -> sqlite3.Connection:
        if self.path is None:
            return sqlite3.connect(":memory:", isolation_level=None)
        file = self.path / "store.sqlite"
        if write:
            self.path.mkdir(parents=True, exist_ok=True)
            return sqlite3.connect(file, isolation_level=None, timeout=30)
        if not file.is_file():
            raise BadInput(
                f"store {str(self.path)!r}: there is none; make one with `gradmark run STUDY --store {self.path}`"
            )
        try:
            base = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=30)
            base.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:  # a write-ahead log cannot be opened on a read-only disk
            base = sqlite3.connect(f"{file.resolve().as_uri()}?immutable=1", uri=True, isolation_level=None)
        self._read_only = True
        return base

    _read_only = False

    def _check(self) -> None:
        """Refuse a store of a newer version before anything is written to it."""
        found = self._base.execute("SELECT name FROM sqlite_master WHERE name = 'meta'").fetchone()
        row = self._base.execute("SELECT value FROM meta WHERE name = 'version'").fetchone() if found else None
        if row is not None and int(row[0]) > VERSION:
            raise BadInput(
                f"store {str(self.path)!r}: written by a newer gradmark (store version {row[0]}, this one reads up to "
                f"{VERSION}); upgrade gradmark, or use another --store"
            )
        if self._read_only:
            return
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = NORMAL")
        if row is None or int(row[0]) < VERSION:  # so far a newer version has only more tables
            self._base.executescript(SCHEMA)
            self._base.execute("INSERT OR REPLACE INTO meta VALUES ('version', ?)", (str(VERSION),))

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as fault:
            raise BadInput(
                f"store {str(self.path)!r}: {fault}; nothing stored is lost; check the disk's space and permissions, "
                "or use another --store"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def _write(self, statement: str, *values: object) -> None:
        with self._faults():
            self._base.execute(statement, values)

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._faults():
            return self._base.execute(statement, values).fetchall()

    def describe(self, **facts: str) -> None:
        """Keep what the whole store is about: its study's title, description and name."""
        for name, value in facts.items():
            self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, value)

    def description(self) -> dict[str, str]:
        """What `describe` kept, and the store's version."""
        return dict(self._read("SELECT name, value FROM meta"))

    def add_provenance(self, facts: dict[str, Any]) -> None:
        """Keep what a run ran on: versions, device, commit, date, command."""
        self._write("INSERT INTO provenance (facts) VALUES (?)", json.dumps(facts))

    def provenance(self) -> list[dict[str, Any]]:
        """What every run ran on, oldest first."""
        return [json.loads(row[0]) for row in self._read("SELECT facts FROM provenance ORDER BY id")]

    def plan(self, cells: list[Cell], trainings: list[Training], inquiries: Iterable[Inquiry] = ()) -> None:
        """Name what shall be there; what is measured as asked stays so, the rest is missing until it is run."""
        with self._faults():
            self._base.execute("BEGIN IMMEDIATE")
            for number, cell in enumerate(cells):
                self._base.execute(
                    "INSERT INTO cells (key, position, cell, status) VALUES (?, ?, ?, 'missing') ON CONFLICT (key) DO "
                    "UPDATE SET position = excluded.position, cell = excluded.cell, "
                    "status = CASE WHEN status = 'measured' AND cell = excluded.cell THEN status ELSE 'missing' END, "
                    "reason = CASE WHEN status = 'measured' AND cell = excluded.cell THEN reason END",
                    (cell.key, number, json.dumps(cell.json())),
                )
            for number, training in enumerate(trainings):
                self._base.execute(
                    "INSERT INTO trainings (key, position, training, status) VALUES (?, ?, ?, 'missing') ON CONFLICT "
                    "(key) DO UPDATE SET position = excluded.position, "
                    "status = CASE status WHEN 'measured' THEN status ELSE 'missing' END",
                    (training.key, number, json.dumps(training.json())),
                )
            for number, inquiry in enumerate(inquiries):
                self._base.execute(
                    "INSERT INTO experiments (key, position, inquiry, status) VALUES (?, ?, ?, 'missing') ON CONFLICT "
                    "(key) DO UPDATE SET position = excluded.position, "
                    "status = CASE status WHEN 'measured' THEN status ELSE 'missing' END",
                    (inquiry.key, number, json.dumps(inquiry.json())),
                )
            self._base.execute("COMMIT")

    def finish(self, cell: Cell, status: str, reason: str | None = None) -> None:
        """Say how a cell ended: measured, refused or failed, and why."""
        self._write("UPDATE cells SET status = ?, reason = ? WHERE key = ?", status, reason, cell.key)

    def know(self, cell: Cell, facts: dict[str, Any], exact: Array | None) -> None:
        """Keep what the runner knows of a cell before it is measured."""
        blob = None if exact is None else exact.astype("<f8").tobytes()
        self._write("UPDATE cells SET facts = ?, exact = ? WHERE key = ?", json.dumps(facts), blob, cell.key)

    def time(self, cell: Cell, timing: dict[str, Any]) -> None:
        """Keep what an estimate of the cell costs."""
        self._write("UPDATE cells SET timing = ? WHERE key = ?", json.dumps(timing), cell.key)

    def add_block(self, cell: Cell, number: int, moments: Moments) -> None:
        """Keep one block: from here on an interruption does not lose it."""
        self._write("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)", cell.key, number, moments.to_bytes())

    def blocks(self, cell: Cell) -> list[Moments]:
        """The cell's blocks that are there, in order."""
        rows = self._read("SELECT moments FROM blocks WHERE key = ? ORDER BY number", cell.key)
        return [Moments.from_bytes(row[0]) for row in rows]

    def records(self) -> list[Record]:
        """All cells, in the study's order."""
        return [self._record(row) for row in self._read(f"{_CELLS} ORDER BY position, key")]

    def settled(self, cell: Cell) -> bool:
        """Whether a planned cell is measured, as it is asked for now, and timed."""
        rows = self._read("SELECT status, timing FROM cells WHERE key = ?", cell.key)
        return rows[0][0] == "measured" and rows[0][1] is not None

    def record(self, cell: Cell) -> Record:
        """What is there of one cell that was planned."""
        return self._record(self._read(f"{_CELLS} WHERE key = ?", cell.key)[0])

    def _record(self, row: tuple[Any, ...]) -> Record:
        cell = Cell(**json.loads(row[0]))
        exact = None if row[4] is None else np.frombuffer(row[4], dtype="<f8")
        timing = None if row[5] is None else json.loads(row[5])
        return Record(cell, row[1], row[2], json.loads(row[3] or "{}"), exact, timing, self.blocks(cell))

    def add_place(self, problem: str, at: str, digest: str, params: bytes | None, reason: str | None) -> None:
        """Keep the parameters of a place (an .npz archive), or why there are none."""
        self._write("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?)", problem, at, digest, params, reason)

    def place(self, problem: str, at: str) -> tuple[str, bytes | None, str | None] | None:
        """Digest, parameters and reason of a place, or None where it was not looked for yet."""
        rows = self._read("SELECT digest, params, reason FROM places WHERE problem = ? AND at = ?", problem, at)
        return rows[0] if rows else None

    def finish_training(self, training: Training, status: str, reason: str | None, data: dict[str, Any] | None) -> None:
        """Keep a whole training run, or why there is none."""
        curve = None if data is None else json.dumps(data)
        statement = "UPDATE trainings SET status = ?, reason = ?, curve = ? WHERE key = ?"
        self._write(statement, status, reason, curve, training.key)

    def curves(self) -> list[Curve]:
        """All training runs, in the study's order."""
        rows = self._read("SELECT training, status, reason, curve FROM trainings ORDER BY position, key")
        return [Curve(Training(**json.loads(t)), s, r, None if c is None else json.loads(c)) for t, s, r, c in rows]

    def finish_inquiry(
        self,
        inquiry: Inquiry,
        status: str,
        reason: str | None = None,
        *,
        seconds: float | None = None,
        facts: dict[str, Any] | None = None,
        tables: dict[str, list[dict[str, Any]]] | None = None,
    ) -> None:
        """Keep a whole experiment with what it ran on, or why there is none."""
        rows = None if tables is None else json.dumps(tables, allow_nan=False)
        self._write(
            "UPDATE experiments SET status = ?, reason = ?, seconds = ?, facts = ?, tables = ?, "
            "provenance = (SELECT max(id) FROM provenance) WHERE key = ?",
            *(status, reason, seconds, json.dumps(facts or {}), rows, inquiry.key),
        )

    def outcomes(self) -> list[Outcome]:
        """All experiments, in the study's order; none in a store of the version before there were any."""
        if not self._read("SELECT name FROM sqlite_master WHERE name = 'experiments'"):
            return []
        rows = self._read(
            "SELECT inquiry, status, reason, seconds, experiments.facts, tables, provenance.facts FROM experiments "
            "LEFT JOIN provenance ON provenance = id ORDER BY position, key"
        )
        return [_outcome(*row) for row in rows]


def _outcome(inquiry: str, status: str, reason: Any, seconds: Any, facts: Any, tables: Any, ran_on: Any) -> Outcome:
    known = {**json.loads(facts or "{}"), "provenance": json.loads(ran_on or "{}")}
    return Outcome(Inquiry(**json.loads(inquiry)), status, reason, seconds, known, json.loads(tables or "null"))


_CELLS = "SELECT cell, status, reason, facts, exact, timing FROM cells"
