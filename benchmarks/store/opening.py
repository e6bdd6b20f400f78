"""A store's file: found or made, recognised, locked while it is written to, and brought up to date."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.store import planning, schema
from gradmark.benchmarks.store.integrity import LISTED
from gradmark.benchmarks.store.locking import WriterLock
from gradmark.benchmarks.store.rows import Rows, decoded, faults

FILE = "store.sqlite"


def open_rows(path: Path | None, write: bool) -> tuple[Rows, WriterLock | None]:
    """The rows of the store in the folder `path`, and its lock where it is written to; None is a store in memory.

    Nothing is written to a file that is not a store, or of a newer version.
    """
    name, lock = repr(str(path)), None
    with faults(name):
        try:
            if write and path is not None:
                path.mkdir(parents=True, exist_ok=True)
                lock = WriterLock(path)
            base = _connected(path, write)
            base.text_factory = decoded
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        try:
            return _ready(base, name, write), lock
        except BaseException:
            base.close()
            if lock is not None:
                lock.release()
            raise


def _ready(base: sqlite3.Connection, name: str, write: bool) -> Rows:
    version = schema.version(base, name)
    rows = Rows(base, name, verified=write or version >= schema.CHECKSUMS)
    if not write:
        base.execute("BEGIN")  # one state of the store, however long it is read
        return rows
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = NORMAL")
    if version < schema.VERSION:
        _complete(rows, version)
    return rows


def _connected(path: Path | None, write: bool) -> sqlite3.Connection:
    if path is None:
        return sqlite3.connect(":memory:", isolation_level=None)
    file = path / FILE
    if write:
        return sqlite3.connect(file, isolation_level=None, timeout=30)
    if not file.is_file():
        raise BadInput(f"store {str(path)!r}: there is none; make one with `gradmark run STUDY --store {path}`")
    try:
        base = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=30)
        base.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as fault:  # a write-ahead log cannot be opened on a read-only disk
        log = file.with_name(f"{FILE}-wal")
        if log.is_file() and log.stat().st_size:
            raise BadInput(
                f"store {str(path)!r}: {fault}: a run was cut off, and its log cannot be read here; copy the folder to "
                "where it can be written to"
            ) from None
        base = sqlite3.connect(f"{file.resolve().as_uri()}?immutable=1", uri=True, isolation_level=None)
    return base


def _complete(rows: Rows, version: int) -> None:
    """Bring an empty or older store up to date, all at once."""
    with rows.transaction():
        schema.complete(rows.base)
        rows.forget_schema()
        if version < schema.CHECKSUMS:
            _add_checksums(rows)
            _adopt_study(rows)
        _rename_sources(rows)
        rows.put("meta", name="version", value=str(schema.VERSION))


def _add_checksums(rows: Rows) -> None:
    """Give every row a checksum, as it is, and every cell the number of its blocks."""
    counts = dict(rows.execute("SELECT key, count(*) FROM blocks GROUP BY key"))
    for table in schema.TABLES:
        for row, _ in list(rows.scan(table)):
            rows.put(table, **row | ({"blocks": counts.get(row["key"], 0)} if table == "cells" else {}))


def _rename_sources(rows: Rows) -> None:
    """Name the tables of what was kept aside as they are called now; a damaged row stays as it is."""
    new_names = {old: new for new, old in schema.OLD_NAMES.items()}
    for row, whole in list(rows.scan("aside")):
        if whole and row["source"] in new_names:
            rows.put("aside", **row | {"source": new_names[row["source"]]})


def _adopt_study(rows: Rows) -> None:
    """The one study that an older store was about: all that is in it."""
    old = {row["name"]: row["value"] for row in rows.select("meta")}
    if "title" in old:
        keys = {table: json.dumps([row["key"] for row in planning.listed(rows, table, None)]) for table in LISTED}
        named = {"name": old.get("study", "study"), "description": old.get("description", "")}
        rows.put("studies", title=old["title"], run=0, **named, **keys)
