"""What was measured, and its provenance: a folder with one SQLite file, which survives a kill; imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from gradmark.benchmarks.cells import Cell, Inquiry, Training
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.measurement.moments import Array, Moments
from gradmark.benchmarks.store import integrity, planning, schema
from gradmark.benchmarks.store.aside import kept_aside, next_id, put_aside
from gradmark.benchmarks.store.codes import Code, changes
from gradmark.benchmarks.store.opening import open_rows
from gradmark.benchmarks.store.planning import Asked, read_code
from gradmark.benchmarks.store.records import Aside, Curve, Description, Outcome, Record
from gradmark.benchmarks.store.rows import Damage, Row

Ending = tuple[str, str, str | None, tuple[int, str] | None]  # what, how it ended, why, and a cell's K and point


class Store:
    """A folder of results; `with Store(path) as store`. Every call that fails says so in one line (BadInput)."""

    def __init__(self, path: Path | None, *, write: bool = True) -> None:
        """Open the store in the folder `path`, made where missing; None is a store in memory.

        One process may write at a time; those that only read see the store as it is when they open it.
        """
        self.path = path
        self._codes: dict[str, str] = {}  # key to digest, of what this run asks for
        self.rows, self._lock = open_rows(path, write)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.rows.base.close()
        if self._lock is not None:
            self._lock.release()

    def description(self) -> dict[str, str]:
        """The store's version, and what a store of version 1 or 2 says of its one study."""
        return {row["name"]: row["value"] for row in self.rows.select("meta")}

    def studies(self) -> list[Description]:
        """Every study that was run into the store, that of the last run last."""
        rows = self.rows.select("studies", "ORDER BY run")
        return [Description(row["name"], row["title"], row["description"] or "", row["text"] or "") for row in rows]

    def study(self, named: str | None = None) -> Description | None:
        """The study of that name, or the one run last; None where the store, an older one, names none."""
        studies = self.studies()
        if named is None:
            return studies[-1] if studies else None
        fitting = [each for each in studies if named in (each.name, Path(each.name).stem)]
        exact = [each for each in fitting if each.name == named]
        if len(exact or fitting) != 1:
            known = ", ".join(each.name for each in studies) or "not named"
            raise BadInput(f"study {named!r}: not one study of the store {str(self.path)!r}; its studies are {known}")
        return (exact or fitting)[0]

    def keys(self, study: str) -> dict[str, list[str]]:
        """The keys that a study asks for, by table and in its order."""
        row = self.rows.get("studies", study)
        return {table: json.loads(row[table] or "[]") if row else [] for table in integrity.LISTED}

    def endings(self, study: str | None = None) -> list[Ending]:
        """How everything ended, and why what is not measured is not: of a study, or of all that is there."""
        keys = self.keys(study) if study is not None else {}
        endings: list[Ending] = []
        for table, label in (("cells", "cell"), ("trainings", "training"), ("experiments", "inquiry")):
            for row in planning.listed(self.rows, table, keys.get(table)):
                spec = json.loads(row[label])
                what = spec.get("estimator") or spec.get("solver")
                named = spec["experiment"] if what is None else f"{what} on {spec['problem']}"
                where = (spec["num_samples"], spec["at"]) if table == "cells" else None
                endings.append((named, row["status"], row["reason"], where))
        return endings

    def damage(self) -> list[Damage]:
        """Every row that is not as it was written, or is lost."""
        return integrity.damage(self.rows)

    def kept_aside(self) -> list[tuple[str, Aside]]:
        """What other code measured, named, oldest first."""
        rows = [row for row in self.rows.select("aside", "ORDER BY id") if row["source"] in integrity.LISTED]
        return [(json.loads(row["key"])[0], Aside(row["id"], row["why"], row["date"])) for row in rows]

    def demand_whole(self) -> None:
        """BadInput, with the row and the remedy, where anything is not as it was written."""
        integrity.demand_whole(self.rows)

    def repair(self) -> list[Damage]:
        """Drop what is damaged, so that it is measured again; what was damaged."""
        bad = integrity.repair(self.rows)
        if bad:
            self.rows.put("meta", name="version", value=str(schema.VERSION))
        return bad

    def verify(self) -> dict[str, Any]:
        """Everything checked: the file's structure, every checksum, and that no row is lost."""
        return integrity.verify(self.rows)

    def add_provenance(self, facts: dict[str, Any]) -> None:
        """Keep what a run ran on: versions, device, commit, date, command."""
        self.rows.put("provenance", id=next_id(self.rows, "provenance"), facts=json.dumps(facts))

    def provenance(self) -> list[dict[str, Any]]:
        """What every run ran on, oldest first."""
        return [json.loads(row["facts"]) for row in self.rows.select("provenance", "ORDER BY id")]

    def plan(
        self,
        cells: list[Cell],
        trainings: list[Training],
        inquiries: Iterable[Inquiry] = (),
        codes: Mapping[Asked, Code] | None = None,
        study: Description | None = None,
    ) -> list[str]:
        """Name what shall be there; what is measured as asked stays so, the rest is missing until it is run.

        What was measured with other code than `codes` is put aside; a sentence for each reason.
        """
        asked = {"cells": cells, "trainings": trainings, "experiments": list(inquiries)}
        self._codes = {each.key: code.digest for each, code in (codes or {}).items()}
        return planning.plan(self.rows, asked, codes or {}, study)

    def finish(self, cell: Cell, status: str, reason: str | None = None) -> None:
        """Say how a cell ended: measured, refused or failed, and why."""
        count = self.rows.execute("SELECT count(*) FROM blocks WHERE key = ?", cell.key)[0][0]
        self.rows.change("cells", (cell.key,), status=status, reason=reason, blocks=count)

    def know(self, cell: Cell, facts: dict[str, Any], exact: Array | None) -> None:
        """Keep what the runner knows of a cell before it is measured."""
        blob = None if exact is None else exact.astype("<f8").tobytes()
        self.rows.change("cells", (cell.key,), facts=json.dumps(facts), exact=blob)

    def time(self, cell: Cell, timing: dict[str, Any]) -> None:
        """Keep what an estimate of the cell costs."""
        self.rows.change("cells", (cell.key,), timing=json.dumps(timing))

    def add_block(self, cell: Cell, number: int, moments: Moments) -> None:
        """Keep one block: from here on an interruption does not lose it."""
        code = self._codes.get(cell.key)
        self.rows.put("blocks", key=cell.key, number=number, moments=moments.to_bytes(), code=code)

    def numbered_blocks(self, cell: Cell) -> dict[int, Moments]:
        """The cell's blocks that are there, by number: one that was damaged may be missing between others."""
        rows = self.rows.select("blocks", "WHERE key = ? ORDER BY number", cell.key)
        return {row["number"]: Moments.from_bytes(row["moments"]) for row in rows}

    def blocks(self, cell: Cell) -> list[Moments]:
        """The cell's blocks that are there, in order."""
        return list(self.numbered_blocks(cell).values())

    def records(self, keys: Iterable[str] | None = None) -> list[Record]:
        """The cells of these keys, or all, in their study's order."""
        return [self._record(row) for row in planning.listed(self.rows, "cells", keys)]

    def settled(self, cell: Cell) -> bool:
        """Whether a planned cell is measured, as it is asked for now, and timed."""
        row = self.rows.get("cells", cell.key)
        return row is not None and row["status"] == "measured" and row["timing"] is not None

    def record(self, cell: Cell) -> Record:
        """What is there of one cell that was planned."""
        return self._record(self.rows.select("cells", "WHERE key = ?", cell.key)[0])

    def old_records(self) -> list[Record]:
        """The cells that other code measured, oldest first."""
        return kept_aside(self.rows, "cells", self._record)

    def _record(self, row: Row, aside: Aside | None = None) -> Record:
        number = None if aside is None else aside.number
        table, rest = ("blocks", "") if aside is None else ("aside_blocks", f" AND id = {number}")
        blocks = self.rows.select(table, f"WHERE key = ?{rest} ORDER BY number", row["key"])
        exact = None if row["exact"] is None else np.frombuffer(row["exact"], dtype="<f8")
        return Record(
            cell=Cell(**json.loads(row["cell"])),
            status=row["status"],
            reason=row["reason"],
            facts=json.loads(row["facts"] or "{}"),
            exact=exact,
            timing=None if row["timing"] is None else json.loads(row["timing"]),
            blocks=[Moments.from_bytes(block["moments"]) for block in blocks],
            code=read_code(self.rows, row["code"]),
            aside=aside,
        )

    def add_point(
        self, problem: str, at: str, digest: str, params: bytes | None, reason: str | None, code: Code | None = None
    ) -> None:
        """Keep the parameters of a point (an .npz archive), or why there are none."""
        made = code and code.digest
        if code is not None:
            self.rows.put("codes", digest=code.digest, facts=code.text())
        self.rows.put("points", problem=problem, at=at, digest=digest, params=params, reason=reason, code=made)

    def point(self, problem: str, at: str, code: Code | None = None) -> tuple[str, bytes | None, str | None] | None:
        """Digest, parameters and reason of a point; None where it was not looked for yet, or with other code."""
        row = self.rows.get("points", problem, at)
        if row is None:
            return None
        if code is not None and row["code"] != code.digest:
            with self.rows.transaction():
                put_aside(self.rows, "points", (problem, at), changes(read_code(self.rows, row["code"]), code))
            return None
        return row["digest"], row["params"], row["reason"]

    def finish_training(self, training: Training, status: str, reason: str | None, data: dict[str, Any] | None) -> None:
        """Keep a whole training run, or why there is none."""
        curve = None if data is None else json.dumps(data)
        self.rows.change("trainings", (training.key,), status=status, reason=reason, curve=curve)

    def curves(self, keys: Iterable[str] | None = None) -> list[Curve]:
        """The training runs of these keys, or all, in their study's order."""
        return [self._curve(row) for row in planning.listed(self.rows, "trainings", keys)]

    def old_curves(self) -> list[Curve]:
        """The training runs that other code made, oldest first."""
        return kept_aside(self.rows, "trainings", self._curve)

    def _curve(self, row: Row, aside: Aside | None = None) -> Curve:
        training, data = Training(**json.loads(row["training"])), json.loads(row["curve"] or "null")
        return Curve(training, row["status"], row["reason"], data, read_code(self.rows, row["code"]), aside)

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
        last = self.rows.execute("SELECT max(id) FROM provenance")[0][0]
        outcome = {"seconds": seconds, "facts": json.dumps(facts or {}), "tables": rows, "provenance": last}
        self.rows.change("experiments", (inquiry.key,), status=status, reason=reason, **outcome)

    def outcomes(self, keys: Iterable[str] | None = None) -> list[Outcome]:
        """The experiments of these keys, or all, in their study's order; version 1 of a store has none."""
        return [self._outcome(row) for row in planning.listed(self.rows, "experiments", keys)]

    def old_outcomes(self) -> list[Outcome]:
        """The experiments that other code made, oldest first."""
        return kept_aside(self.rows, "experiments", self._outcome)

    def _outcome(self, row: Row, aside: Aside | None = None) -> Outcome:
        ran_on = self.rows.get("provenance", row["provenance"])
        facts = {**json.loads(row["facts"] or "{}"), "provenance": json.loads(ran_on["facts"] if ran_on else "{}")}
        inquiry, tables = Inquiry(**json.loads(row["inquiry"])), json.loads(row["tables"] or "null")
        code = read_code(self.rows, row["code"])
        return Outcome(inquiry, row["status"], row["reason"], row["seconds"], facts, tables, code, aside)
