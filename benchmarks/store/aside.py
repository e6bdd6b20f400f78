"""What other code measured: kept aside under a number of its own when it is measured anew, and never merged with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gradmark.benchmarks.store.records import Aside
from gradmark.benchmarks.store.rows import Row, Rows
from gradmark.benchmarks.store.schema import TABLES


def put_aside(rows: Rows, table: str, key: tuple[Any, ...], why: str) -> None:
    """Move a row, and a cell's blocks, to the tables of what is kept aside; checksums go with them as they are."""
    number = next_id(rows, "aside")
    date = datetime.now(UTC).isoformat(timespec="seconds")
    rows.put("aside", id=number, source=table, key=json.dumps(key), why=why, date=date)
    names = list(TABLES[table].columns)[: TABLES[table].keys]
    _move(rows, table, number, " AND ".join(f"{name} = ?" for name in names), *key)
    if table == "cells":
        _move(rows, "blocks", number, "key = ?", *key)


def _move(rows: Rows, table: str, number: int, where: str, *key: object) -> None:
    columns = ", ".join((*TABLES[table].columns, "checksum"))
    rows.execute(
        f"INSERT INTO aside_{table} (id, {columns}) SELECT ?, {columns} FROM {table} WHERE {where}", number, *key
    )
    rows.execute(f"DELETE FROM {table} WHERE {where}", *key)


def next_id(rows: Rows, table: str) -> int:
    """A number that no row of a numbered table has."""
    return rows.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}")[0][0]


def kept_aside(rows: Rows, table: str, read: Callable[[Row, Aside], Any]) -> list[Any]:
    """What is kept aside of a table, oldest first, as `read` makes records of it."""
    records = []
    for entry in rows.select("aside", "WHERE source = ? ORDER BY id", table):
        known = Aside(entry["id"], entry["why"], entry["date"])
        records += [read(row, known) for row in rows.select(f"aside_{table}", "WHERE id = ?", entry["id"])]
    return records
