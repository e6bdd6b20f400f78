"""The tables of a store: how they are made, recognised, and brought up to date without anything being lost."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from gradmark.benchmarks.errors import BadInput

VERSION = 4  # a store of a newer version is refused and not touched; an older one gets new tables, columns and names
CHECKSUMS = 3  # the first version whose rows have checksums
OLD_NAMES = {"points": "places"}  # tables that were called otherwise before version 4; checksums keep the old name
APPLICATION = 0x67726164  # "grad": what SQLite's application_id says of the file


class Table(NamedTuple):
    """Column declarations in order; the first `keys` of them are the primary key."""

    keys: int
    columns: dict[str, str]


TABLES = {
    "meta": Table(1, {"name": "TEXT NOT NULL", "value": "TEXT NOT NULL"}),
    "provenance": Table(1, {"id": "INTEGER", "facts": "TEXT NOT NULL"}),
    "studies": Table(
        1,
        {
            "name": "TEXT NOT NULL",
            "title": "TEXT",
            "description": "TEXT",
            "text": "TEXT",
            "cells": "TEXT",
            "trainings": "TEXT",
            "experiments": "TEXT",
            "run": "INTEGER",
        },
    ),
    "codes": Table(1, {"digest": "TEXT NOT NULL", "facts": "TEXT NOT NULL"}),
    "cells": Table(
        1,
        {
            "key": "TEXT NOT NULL",
            "position": "INTEGER NOT NULL",
            "cell": "TEXT NOT NULL",
            "status": "TEXT NOT NULL",
            "reason": "TEXT",
            "facts": "TEXT",
            "exact": "BLOB",
            "timing": "TEXT",
            "code": "TEXT",
            "blocks": "INTEGER",
        },
    ),
    "blocks": Table(
        2, {"key": "TEXT NOT NULL", "number": "INTEGER NOT NULL", "moments": "BLOB NOT NULL", "code": "TEXT"}
    ),
    "points": Table(
        2,
        {
            "problem": "TEXT NOT NULL",
            "at": "TEXT NOT NULL",
            "digest": "TEXT NOT NULL",
            "params": "BLOB",
            "reason": "TEXT",
            "code": "TEXT",
        },
    ),
    "trainings": Table(
        1,
        {
            "key": "TEXT NOT NULL",
            "position": "INTEGER NOT NULL",
            "training": "TEXT NOT NULL",
            "status": "TEXT NOT NULL",
            "reason": "TEXT",
            "curve": "TEXT",
            "code": "TEXT",
        },
    ),
    "experiments": Table(
        1,
        {
            "key": "TEXT NOT NULL",
            "position": "INTEGER NOT NULL",
            "inquiry": "TEXT NOT NULL",
            "status": "TEXT NOT NULL",
            "reason": "TEXT",
            "seconds": "REAL",
            "provenance": "INTEGER",
            "facts": "TEXT",
            "tables": "TEXT",
            "code": "TEXT",
        },
    ),
    "aside": Table(
        1, {"id": "INTEGER", "source": "TEXT NOT NULL", "key": "TEXT NOT NULL", "why": "TEXT", "date": "TEXT"}
    ),
}
KEPT = ("cells", "blocks", "points", "trainings", "experiments")  # what `aside_…` tables keep rows of


def statements() -> list[str]:
    """What makes every table that is missing. `checksum` is over all other columns; in `aside` tables, all but `id`."""
    made = []
    for name, (keys, columns) in TABLES.items():
        listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        key = ", ".join(list(columns)[:keys])
        made.append(f"CREATE TABLE IF NOT EXISTS {name} ({listed}, checksum BLOB, PRIMARY KEY ({key}))")
        if name in KEPT:
            made.append(
                f"CREATE TABLE IF NOT EXISTS aside_{name} "
                f"(id INTEGER NOT NULL, {listed}, checksum BLOB, PRIMARY KEY (id, {key}))"
            )
    return made


def columns(base: sqlite3.Connection, table: str) -> list[str]:
    """The columns that a table has in this file; an empty list where the table does not exist."""
    return [row[1] for row in base.execute(f"PRAGMA table_info({table})")]


def version(base: sqlite3.Connection, store: str) -> int:
    """The store's version, 0 for an empty file; BadInput where the file is not a store, or of a newer gradmark."""
    named = base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    tables = {str(name) for (name,) in named}  # in a damaged file a name may be bytes
    tables -= {name for name in tables if name.startswith("sqlite_")}
    if not tables:
        return 0
    if not ({"name", "value"} <= set(columns(base, "meta")) and {"key", "status"} <= set(columns(base, "cells"))):
        named = ascii(", ".join(sorted(tables)[:3]))[1:-1]
        raise BadInput(
            f"store {store}: its store.sqlite is the database of something else (it has the tables {named:.80}); "
            "nothing was written to it; use another --store"
        )
    row = base.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()
    least = _least_version(base)
    text = str(row[0]) if row is not None else str(least)
    if not (text.isascii() and text.isdecimal() and text != "0"):
        shown = ascii(text[:20])
        raise BadInput(
            f"store {store}: its version is {shown}, which is not a number; it is damaged: use another --store"
        )
    if int(text) > VERSION:
        raise BadInput(
            f"store {store}: written by a newer gradmark (store version {text[:20]}, this one reads up to "
            f"{VERSION}); upgrade gradmark, or use another --store"
        )
    return max(int(text), least)


def _least_version(base: sqlite3.Connection) -> int:
    """The oldest version whose tables and columns the file has: its number may be damaged."""
    if "checksum" not in columns(base, "meta"):
        return 1
    return VERSION if columns(base, "points") else CHECKSUMS


def present_name(base: sqlite3.Connection, table: str) -> str:
    """What a table is called in this file: a store that is only read may have an older name."""
    prefix = "aside_" if table.startswith("aside_") else ""
    old = OLD_NAMES.get(table.removeprefix(prefix))
    return f"{prefix}{old}" if old is not None and not columns(base, table) else table


def complete(base: sqlite3.Connection) -> None:
    """Rename old tables, and make missing tables and columns; the caller's transaction makes it all or nothing."""
    for name in [name for new in OLD_NAMES for name in (new, f"aside_{new}")]:
        old = present_name(base, name)
        if old != name and columns(base, old):
            base.execute(f"ALTER TABLE {old} RENAME TO {name}")
    for statement in statements():
        base.execute(statement)
    for name, table in TABLES.items():
        missing = [column for column in (*table.columns, "checksum") if column not in columns(base, name)]
        for column in missing:
            base.execute(f"ALTER TABLE {name} ADD COLUMN {column} {table.columns.get(column, 'BLOB')}")
    base.execute(f"PRAGMA application_id = {APPLICATION}")
