"""Rows of a store, each with a checksum over all its columns: renewed when written, verified when read."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.store import schema
from gradmark.benchmarks.store.schema import OLD_NAMES, TABLES

Row = dict[str, Any]
DAMAGED = ("malformed", "not a database", "corrupt")  # in what SQLite says of a damaged file

SHOWN = 80  # characters of a key
CHANGED = "its checksum does not fit"


@dataclass(frozen=True)
class Damage:
    """A row that is not as it was written."""

    table: str
    key: tuple[Any, ...]
    fault: str = CHANGED

    def __str__(self) -> str:
        if self.table.endswith("blocks"):
            return f"block {self.key[-1]} of the cell '{_short(self.key[:-1])}'"
        return f"the row of {self.table} '{_short(self.key)}'"


def _short(key: tuple[Any, ...]) -> str:
    return printable(" | ".join(map(str, key)), SHOWN)


def printable(text: object, length: int) -> str:
    """Text that may be damaged, as one line of at most `length` characters."""
    plain = " ".join(str(text).split()).encode("unicode_escape").decode()
    return plain if len(plain) <= length else f"{plain[: length - 3]}..."


class Damaged(BadInput):
    """What is stored is not what was written."""


def checksum(table: str, row: Row) -> bytes:
    """A digest of every column of a row, its key included, and of the table's first name."""
    text = hashlib.blake2b(OLD_NAMES.get(table, table).encode(), digest_size=16)
    for column in TABLES[table].columns:
        part = _encoded(row.get(column))
        text.update(b"%d:" % len(part) + part)
    return text.digest()


def _encoded(value: Any) -> bytes:
    if value is None:
        return b"n"
    if isinstance(value, str):
        return b"s" + value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return b"b" + value
    return b"f" + struct.pack("<d", value) if isinstance(value, float) else b"i%d" % value


def key_of(table: str, row: Row) -> tuple[Any, ...]:
    """The values of a row's primary key."""
    return tuple(row[column] for column in list(TABLES[table].columns)[: TABLES[table].keys])


def decoded(text: bytes) -> str:
    """Text as it was written; what is no UTF-8 any more stays apart, so that its checksum does not fit."""
    return text.decode("utf-8", "surrogateescape")


class Rows:
    """The rows of one open database. Every call that fails says so in one line (BadInput)."""

    def __init__(self, base: sqlite3.Connection, name: str, *, verified: bool) -> None:
        """`verified`: whether rows carry checksums, as they do since version 3."""
        self.base, self.name, self.verified = base, name, verified
        self._present_name = cache(lambda table: schema.present_name(base, table))
        self.columns = cache(lambda table: schema.columns(base, self._present_name(table)))

    def forget_schema(self) -> None:
        """Ask the file again for its tables' names and columns, after they were changed."""
        self._present_name.cache_clear()
        self.columns.cache_clear()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside, or nothing."""
        with faults(self.name):
            self.base.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.base.execute("COMMIT")
            except BaseException:
                if self.base.in_transaction:
                    self.base.execute("ROLLBACK")
                raise

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """A statement and its rows."""
        with faults(self.name):
            return self.base.execute(statement, values).fetchall()

    def scan(self, table: str, rest: str = "", *values: object) -> Iterator[tuple[Row, bool]]:
        """Rows of a table, or of what is kept aside of it, and whether each is as it was written."""
        present = self.columns(table)
        if not present:
            return
        source = table.removeprefix("aside_")
        with faults(self.name):
            name = self._present_name(table)
            for values_of_row in self.base.execute(f"SELECT {', '.join(present)} FROM {name} {rest}", values):
                row = dict.fromkeys(TABLES[source].columns) | dict(zip(present, values_of_row, strict=True))
                kept = row.pop("checksum", None)
                yield row, not self.verified or _fits(source, row, kept)

    def select(self, table: str, rest: str = "", *values: object) -> list[Row]:
        """Rows of a table; Damaged where one is not as it was written."""
        rows = list(self.scan(table, rest, *values))
        bad = [Damage(table, key_of(table.removeprefix("aside_"), row)) for row, whole in rows if not whole]
        if bad:
            raise Damaged(refusal(self.name, bad))
        return [row for row, _ in rows]

    def get(self, table: str, *key: object) -> Row | None:
        """The row of that key, or None."""
        names = list(TABLES[table].columns)[: TABLES[table].keys]
        rows = self.select(table, f"WHERE {' AND '.join(f'{name} = ?' for name in names)}", *key)
        return rows[0] if rows else None

    def put(self, table: str, **row: Any) -> None:
        """Write a whole row; it replaces one of the same key."""
        named = list(TABLES[table].columns)
        values = [row.get(column) for column in named]
        marks = ", ".join("?" for _ in range(len(named) + 1))
        self.execute(
            f"INSERT OR REPLACE INTO {table} ({', '.join(named)}, checksum) VALUES ({marks})",
            *(*values, checksum(table, row)),
        )

    def change(self, table: str, key: tuple[object, ...], **values: Any) -> None:
        """Write some columns of a row that is there."""
        row = self.get(table, *key)
        if row is None:
            raise Damaged(refusal(self.name, [Damage(table, key, "its row is lost")]))
        self.put(table, **row | values)

    def delete(self, table: str, *key: object) -> None:
        """Remove the row of that key."""
        names = list(TABLES[table].columns)[: TABLES[table].keys]
        self.execute(f"DELETE FROM {table} WHERE {' AND '.join(f'{name} IS ?' for name in names)}", *key)


def _fits(table: str, row: Row, kept: Any) -> bool:
    try:
        return kept == checksum(table, row)
    except (TypeError, ValueError, struct.error):
        return False


def refusal(name: str, bad: list[Damage]) -> str:
    """The error for a store with damaged rows."""
    rest = f" and {len(bad) - 1} more rows" if len(bad) > 1 else ""
    return (
        f"store {name}: damaged: {bad[0]}: {bad[0].fault}{rest}; `gradmark run` of its study measures them again, "
        "`gradmark verify` lists them"
    )


@contextmanager
def faults(name: str) -> Iterator[None]:
    """What SQLite and the disk say, as one line that promises no more than is so."""
    try:
        yield
    except (sqlite3.Error, OSError, OverflowError, UnicodeError) as fault:
        if any(word in str(fault) for word in DAMAGED) or isinstance(fault, OverflowError | UnicodeError):
            rest = "the file is damaged: `gradmark verify` lists what can still be read; use another --store"
        else:
            rest = "nothing stored is lost; check the disk's space and permissions, or use another --store"
        raise BadInput(f"store {name}: {printable(fault, 100)}; {rest}") from None
