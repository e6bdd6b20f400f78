"""Plans a run: makes rows for all that a study asks for, and puts aside what other code measured."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gradmark.benchmarks.cells import Cell, Inquiry, Training
from gradmark.benchmarks.store.aside import put_aside
from gradmark.benchmarks.store.codes import Code, changes
from gradmark.benchmarks.store.records import Description
from gradmark.benchmarks.store.rows import Rows

Asked = Cell | Training | Inquiry
KINDS = {"cells": "cell", "trainings": "training run", "experiments": "experiment"}
MESSAGE = "measured with other code"


def plan(
    rows: Rows,
    asked: Mapping[str, Sequence[Asked]],
    codes: Mapping[Asked, Code],
    study: Description | None,
) -> list[str]:
    """Name what shall be there, by table; a sentence for each reason why something was put aside.

    What is measured as asked stays so, the rest is missing until it is run.
    """
    moved: Counter[tuple[str, str]] = Counter()
    with rows.transaction():
        for code in {code.digest: code for code in codes.values()}.values():
            rows.put("codes", digest=code.digest, facts=code.text())
        for table, listed in asked.items():
            for number, each in enumerate(listed):
                why = _put_aside(rows, table, each, codes.get(each))
                if why is not None:
                    moved[table, why] += 1
                _point(rows, table, each, number, codes.get(each))
        if study is not None:
            _describe(rows, study, asked)
    return [_sentence(table, why, count) for (table, why), count in moved.items()]


def _put_aside(rows: Rows, table: str, asked: Asked, code: Code | None) -> str | None:
    """Why what is there was put aside, or None."""
    row = rows.get(table, asked.key)
    if code is None or row is None:
        return None
    used = {row["code"]} if row["status"] == "measured" else set()
    if table == "cells":
        used |= {digest for (digest,) in rows.execute("SELECT DISTINCT code FROM blocks WHERE key = ?", asked.key)}
    if used <= {code.digest}:
        return None
    why = changes(read_code(rows, next(iter(used - {code.digest}))), code)
    put_aside(rows, table, (asked.key,), why)
    return why


def read_code(rows: Rows, digest: str | None) -> Code | None:
    """The code of that digest; None where it was not recorded."""
    row = rows.get("codes", digest) if digest is not None else None
    return None if row is None else Code(**json.loads(row["facts"]))


def _point(rows: Rows, table: str, asked: Asked, position: int, code: Code | None) -> None:
    """The row of what is asked for: as it is where it is measured as asked, else missing."""
    row = rows.get(table, asked.key) or {"key": asked.key, "status": "missing"}
    column = {"cells": "cell", "trainings": "training", "experiments": "inquiry"}[table]
    text = json.dumps(asked.json())
    stays = row["status"] == "measured" and (table != "cells" or row["cell"] == text)
    status = {} if stays else {"status": "missing", "reason": None, "code": code and code.digest}
    if column == "cell" or column not in row:
        row = row | {column: text}
    rows.put(table, **row | {"position": position} | status)


def _describe(rows: Rows, study: Description, asked: Mapping[str, Sequence[Asked]]) -> None:
    last = rows.execute("SELECT coalesce(max(run), 0) FROM studies")[0][0]
    keys: dict[str, Any] = {table: json.dumps([each.key for each in listed]) for table, listed in asked.items()}
    rows.put(
        "studies",
        name=study.name,
        title=study.title,
        description=study.description,
        text=study.text,
        run=last + 1,
        **keys,
    )


def _sentence(table: str, why: str, count: int) -> str:
    if count == 1:
        return f"1 {KINDS[table]} was {MESSAGE} ({why}); it is measured again, and the old one is kept aside"
    return f"{count} {KINDS[table]}s were {MESSAGE} ({why}); they are measured again, and the old ones are kept aside"


def listed(rows: Rows, table: str, keys: Iterable[str] | None) -> list[dict[str, Any]]:
    """The rows of these keys in their order, or all of them in the order of the last plan."""
    if keys is None:
        return rows.select(table, "ORDER BY position, key")
    by_key = {row["key"]: row for row in rows.select(table)}
    return [by_key[key] for key in keys if key in by_key]
