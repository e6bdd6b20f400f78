"""Stores of other versions: older ones are read and brought up to date, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch

from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.measurement.fold import fold
from gradmark.benchmarks.store import opening
from gradmark.benchmarks.store.codes import Code
from gradmark.benchmarks.store.schema import KEPT, TABLES
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import runner

CELL = Cell("GaussianToy()", "ScoreFunction()", replicates=4096)
VERSION_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE provenance (id INTEGER PRIMARY KEY, facts TEXT NOT NULL);
CREATE TABLE cells (
    key TEXT PRIMARY KEY, position INTEGER NOT NULL, cell TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
    facts TEXT, exact BLOB, timing TEXT) WITHOUT ROWID;
CREATE TABLE blocks (
    key TEXT NOT NULL, number INTEGER NOT NULL, moments BLOB NOT NULL, PRIMARY KEY (key, number));
CREATE TABLE places (
    problem TEXT NOT NULL, at TEXT NOT NULL, digest TEXT NOT NULL, params BLOB, reason TEXT,
    PRIMARY KEY (problem, at));
CREATE TABLE trainings (
    key TEXT PRIMARY KEY, position INTEGER NOT NULL, training TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
    curve TEXT) WITHOUT ROWID;
"""
VERSION_2 = """
CREATE TABLE experiments (
    key TEXT PRIMARY KEY, position INTEGER NOT NULL, inquiry TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
    seconds REAL, provenance INTEGER, facts TEXT, tables TEXT) WITHOUT ROWID;
"""
OLD, NEW = Code("0.1.0", "2.12", {"mine.py": "00"}), Code("0.1.0", "2.13", {"mine.py": "00"})
POINTS = {"points": 1, "aside": 1, "aside_points": 1}
EMPTY = {*TABLES, *(f"aside_{name}" for name in KEPT)}
MOMENTS = fold([torch.linspace(-1, 1, 192, dtype=torch.float64).view(64, 3)], None, paired=False)


def old_store(path: Path, version: int) -> None:
    """A store as that version wrote it, with one measured cell."""
    path.mkdir()
    base = sqlite3.connect(path / "store.sqlite", isolation_level=None)
    base.executescript(VERSION_1 + (VERSION_2 if version == 2 else ""))
    base.executemany("INSERT INTO meta VALUES (?, ?)", [("version", str(version)), ("title", "Old"), ("study", "old")])
    base.execute("INSERT INTO provenance (facts) VALUES ('{}')")
    base.execute(
        "INSERT INTO cells (key, position, cell, status, facts) VALUES (?, 0, ?, 'measured', '{}')",
        (CELL.key, json.dumps(CELL.json())),
    )
    base.execute("INSERT INTO blocks VALUES (?, 0, ?)", (CELL.key, MOMENTS.to_bytes()))
    base.close()


def store_of_version_3(path: Path) -> None:
    """As version 3 wrote it: the table of parameter points, and what was kept aside of it, had other names."""
    with Store(path) as store:
        store.add_point("GaussianToy()", "optimum", "01", b"first", None, OLD)
        assert store.point("GaussianToy()", "optimum", NEW) is None  # so the first is kept aside
        store.add_point("GaussianToy()", "optimum", "02", b"second", None, NEW)
        for table, key, new in [("aside", 1, {"source": "places"}), ("meta", "version", {"value": "3"})]:
            store.rows.change(table, (key,), **new)
        store.rows.execute("ALTER TABLE points RENAME TO places")
        store.rows.execute("ALTER TABLE aside_points RENAME TO aside_places")


def dump(path: Path) -> list[str]:
    base = sqlite3.connect(path / "store.sqlite")
    lines = list(base.iterdump())
    base.close()
    return lines


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_store_is_read_as_it_is(tmp_path: Path, version: int) -> None:
    old_store(tmp_path / "s", version)
    before = dump(tmp_path / "s")
    with Store(tmp_path / "s", write=False) as store:
        store.demand_whole()
        assert store.study() is None
        assert store.description()["title"] == "Old"
        assert (store.records()[0].cell, store.records()[0].code) == (CELL, None)
        assert store.outcomes() == []
        np.testing.assert_array_equal(store.records()[0].blocks[0].mean, MOMENTS.mean)
    assert dump(tmp_path / "s") == before


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_store_is_brought_up_to_date_and_loses_nothing(tmp_path: Path, version: int) -> None:
    old_store(tmp_path / "s", version)
    with Store(tmp_path / "s") as store:
        assert store.description()["version"] == "4"
        assert store.study("old") == store.study()
        assert store.keys("old")["cells"] == [CELL.key]
        assert store.provenance() == [{}]
        store.demand_whole()
        np.testing.assert_array_equal(store.records()[0].blocks[0].mean, MOMENTS.mean)


@pytest.mark.parametrize("version", [1, 2])
def test_a_run_measures_again_what_unknown_code_measured_and_keeps_it(tmp_path: Path, version: int) -> None:
    old_store(tmp_path / "s", version)
    notes: list[str] = []
    with Store(tmp_path / "s") as store:
        runner.run([CELL], [], store, runner.Progress(note=notes.append))
        [old], [new] = store.old_records(), store.records()
    assert notes == [
        "1 cell was measured with other code (its code was not recorded); it is measured again, and the old one is "
        "kept aside"
    ]
    np.testing.assert_array_equal(old.blocks[0].mean, MOMENTS.mean)
    assert new.blocks[0].replicates == 4096


def test_version_3_is_read_and_verified_without_a_write(tmp_path: Path) -> None:
    store_of_version_3(tmp_path / "s")
    before = dump(tmp_path / "s")
    with Store(tmp_path / "s", write=False) as store:
        store.demand_whole()
        assert store.verify()["rows"] == {**dict.fromkeys(EMPTY, 0), "meta": 1, "codes": 2} | POINTS
        assert store.point("GaussianToy()", "optimum") == ("02", b"second", None)
        assert store.kept_aside() == []  # points are not listed
    assert dump(tmp_path / "s") == before


def test_version_3_is_renamed_when_it_is_written_to(tmp_path: Path) -> None:
    store_of_version_3(tmp_path / "s")
    with Store(tmp_path / "s") as store:
        assert store.description()["version"] == "4"
        assert store.point("GaussianToy()", "optimum", NEW) == ("02", b"second", None)
        assert [row["params"] for row in store.rows.select("aside_points")] == [b"first"]
        assert [row["source"] for row in store.rows.select("aside")] == ["points"]
        store.demand_whole()
    assert not any("places" in line for line in dump(tmp_path / "s"))


def test_damage_in_version_3_stays_damage(tmp_path: Path) -> None:
    """Bringing the store up to date does not write new checksums over damaged rows."""
    store_of_version_3(tmp_path / "s")
    base = sqlite3.connect(tmp_path / "s" / "store.sqlite", isolation_level=None)
    base.execute("UPDATE places SET params = x'00'")
    base.close()
    for write in (False, True):
        with Store(tmp_path / "s", write=write) as store:
            assert [str(each) for each in store.damage()] == ["the row of points 'GaussianToy() | optimum'"]


def test_an_interrupted_migration_leaves_the_old_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old_store(tmp_path / "s", 2)
    before = dump(tmp_path / "s")

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(opening, "_adopt_study", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path / "s")
    assert dump(tmp_path / "s") == before
    monkeypatch.undo()
    with Store(tmp_path / "s") as store:
        assert store.records()[0].status == "measured"


@pytest.mark.parametrize("value", ["banana", "", "-1", "²"])
def test_a_version_that_is_no_number_is_one_line(tmp_path: Path, value: str) -> None:
    old_store(tmp_path / "s", 2)
    base = sqlite3.connect(tmp_path / "s" / "store.sqlite", isolation_level=None)
    base.execute("UPDATE meta SET value = ? WHERE name = 'version'", (value,))
    base.close()
    for write in (True, False):
        with pytest.raises(BadInput, match=r"its version is .*, which is not a number") as found:
            Store(tmp_path / "s", write=write)
        assert len(str(found.value)) < 300


@pytest.mark.parametrize("made", ["CREATE TABLE songs (title TEXT)", "CREATE TABLE meta (name TEXT, value TEXT)"])
def test_a_foreign_database_is_refused_untouched(tmp_path: Path, made: str) -> None:
    (tmp_path / "s").mkdir()
    base = sqlite3.connect(tmp_path / "s" / "store.sqlite", isolation_level=None)
    base.execute(made)
    base.close()
    before = (tmp_path / "s" / "store.sqlite").read_bytes()
    for write in (True, False):
        with pytest.raises(BadInput, match="the database of something else"):
            Store(tmp_path / "s", write=write)
    assert (tmp_path / "s" / "store.sqlite").read_bytes() == before


def test_a_table_whose_name_is_bytes_is_no_traceback(tmp_path: Path) -> None:
    """One flipped bit in the schema makes a name of bytes out of a text."""
    old_store(tmp_path / "s", 2)
    base = sqlite3.connect(tmp_path / "s" / "store.sqlite", isolation_level=None)
    base.execute("PRAGMA writable_schema = ON")
    base.execute("UPDATE sqlite_master SET name = CAST(name AS BLOB) WHERE name = 'provenance'")
    base.close()
    with contextlib.suppress(BadInput), Store(tmp_path / "s", write=False) as store:
        assert store.records()[0].cell == CELL
