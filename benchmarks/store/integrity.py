"""Verifies that a store is as it was written: SQLite's own check, every row's checksum, and that no row is lost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.store.rows import CHANGED, Damage, Damaged, Rows, key_of, printable, refusal
from gradmark.benchmarks.store.schema import KEPT, TABLES

LOST = "its row is lost"
LISTED = ("cells", "trainings", "experiments")  # the tables whose keys a study lists
ASIDE = tuple(f"aside_{name}" for name in KEPT)


def structure(rows: Rows) -> list[str]:
    """What SQLite finds wrong with the file itself; empty where it is whole."""
    try:
        faults = rows.base.execute("PRAGMA integrity_check(10)").fetchall()
    except (sqlite3.Error, UnicodeError) as fault:
        return [str(fault)]
    return [str(row[0]) for row in faults if row[0] != "ok"]


def changed(rows: Rows, tables: Iterable[str]) -> list[Damage]:
    """Every row of these tables that is not as it was written."""
    return [
        Damage(table, key_of(table.removeprefix("aside_"), row))
        for table in tables
        for row, whole in rows.scan(table)
        if not whole
    ]


def damage(rows: Rows) -> list[Damage]:
    """Every row that is not as it was written, and every row that should be there and is not."""
    return [*changed(rows, TABLES), *_lost(rows)] if rows.verified else []


def _lost(rows: Rows) -> Iterator[Damage]:
    """Rows that a study or a measured cell counts and the tables lack."""
    present = {table: {row["key"] for row, _ in rows.scan(table)} for table in LISTED}
    for study, whole in rows.scan("studies"):
        for table in LISTED:
            keys = json.loads(study[table] or "[]") if whole else []
            yield from (Damage(table, (key,), LOST) for key in keys if key not in present[table])
    counted = dict(rows.execute("SELECT key, count(*) FROM blocks GROUP BY key"))
    for row, whole in rows.scan("cells"):
        left, asked = counted.get(row["key"], 0), row["blocks"] or 0
        if whole and row["status"] == "measured" and left < asked:
            yield Damage("cells", (row["key"],), f"only {left} of its {asked} blocks are left")


def demand_whole(rows: Rows) -> None:
    """Damaged where the store is not as it was written: nothing is reported from it."""
    broken = structure(rows)
    if broken:
        raise Damaged(broken_file(rows.name, broken))
    bad = damage(rows)
    if bad:
        raise Damaged(refusal(rows.name, bad))


def broken_file(name: str, broken: list[str]) -> str:
    """The error for a file whose structure is damaged."""
    return (
        f"store {name}: the database file is damaged ({printable(broken[0], 80)}); `gradmark verify` lists what can "
        "still be read; run the study into another --store"
    )


def repair(rows: Rows) -> list[Damage]:
    """Drop damaged rows, so that a run measures them again; what is kept aside stays as it is. What was found."""
    broken = structure(rows)
    if broken:
        raise Damaged(broken_file(rows.name, broken))
    bad = damage(rows)
    with rows.transaction():
        for each in bad:
            if each.fault == CHANGED:
                rows.delete(each.table, *each.key)
        for key in {each.key[0] for each in bad if each.table in ("cells", "blocks")}:
            row = rows.get("cells", key)
            if row is not None:
                rows.put("cells", **row | {"status": "missing", "reason": None, "blocks": None})
    return bad


def readable(rows: Rows) -> dict[str, int]:
    """How many rows of each table can be read and are as they were written, from both ends of a damaged file."""
    return {table: len(_whole(rows, table)) for table in (*TABLES, *ASIDE)}


def _whole(rows: Rows, table: str) -> set[tuple[Any, ...]]:
    keys: set[tuple[Any, ...]] = set()
    for order in ("", "ORDER BY rowid DESC"):
        try:
            for row, fits in rows.scan(table, order):
                if fits:
                    keys.add((row.get("id"), *key_of(table.removeprefix("aside_"), row)))
        except BadInput:
            continue
        break
    return keys


def verify(rows: Rows) -> dict[str, Any]:
    """What `gradmark verify` says, as plain data."""
    broken, bad = structure(rows), []
    try:
        bad = [*damage(rows), *(changed(rows, ASIDE) if rows.verified else [])]
    except BadInput as fault:
        broken = broken or [str(fault)]
    return {
        "whole": not broken and not bad,
        "structure": broken,
        "damaged": [f"{each}: {each.fault}" for each in bad],
        "checksums": rows.verified,
        "rows": readable(rows),
    }
