"""Damaged stores: nothing damaged is reported, every damage is named, and a run measures again what was damaged."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.cli import commands
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.execution import work
from gradmark.benchmarks.store.records import Description
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import runner
from gradmark.benchmarks.trust import damaged_stores
from gradmark.benchmarks.trust.damaged_stores import CHANGES, attack, numbers
from gradmark.reports.results.results import read

CELLS = [Cell("GaussianToy()", name, replicates=12288) for name in ("ScoreFunction()", "Reparameterization()")]
STUDY = Description("two", "Two cells")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one of everything."""
    path = tmp_path_factory.mktemp("whole") / "s"
    damaged_stores.make(path)
    return path


@pytest.fixture(scope="module")
def two_cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two cells with three blocks each."""
    path = tmp_path_factory.mktemp("two") / "s"
    with Store(path) as store:
        runner.run(CELLS, [], store, study=STUDY)
    return path


@pytest.fixture
def measured(two_cells: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(two_cells, tmp_path / "s"))


def alter(path: Path, statement: str, *values: object) -> None:
    """Change a store behind gradmark's back."""
    base = sqlite3.connect(path / "store.sqlite", isolation_level=None)
    assert base.execute(statement, values).rowcount == 1
    base.close()


def verified(capsys: pytest.CaptureFixture[str], path: Path) -> tuple[int, dict]:
    with pytest.raises(SystemExit) as end:
        commands.main(["verify", str(path), "--json"])
    return int(end.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", CHANGES)
def test_no_change_to_the_file_gives_other_numbers_without_a_word(whole: Path, name: str) -> None:
    """A small part of `python -m gradmark.benchmarks.trust.damaged_stores`."""
    expected, draw = numbers(whole), random.Random(f"1 {name}")
    found = [attack(whole, CHANGES[name], draw, expected) for _ in range(12)]
    assert {each.kind for each in found} <= {"same", "refused"}, found


def test_the_attack_can_fail(whole: Path, tmp_path: Path) -> None:
    """A store whose rows are consistent but other gives other numbers, and the count says so."""
    expected = numbers(whole)
    shutil.copytree(whole, tmp_path / "s")
    with Store(tmp_path / "s") as store:
        record = store.records()[0]
        store.add_block(record.cell, 0, record.blocks[1])
    assert damaged_stores.outcome(tmp_path / "s", expected).kind == "other"


def test_a_damaged_block_is_named_refused_and_measured_again(
    measured: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(measured, write=False) as store:
        before = [block.to_bytes() for block in store.record(CELLS[0]).blocks]
    damaged = bytearray(before[1])
    damaged[len(damaged) // 2] ^= 16
    alter(measured, "UPDATE blocks SET moments = ? WHERE key = ? AND number = 1", bytes(damaged), CELLS[0].key)
    with pytest.raises(BadInput, match=r"block 1 of the cell 'GaussianToy\(\).*`gradmark run`") as found:
        read(measured)
    assert len(str(found.value)) < 300
    code, said = verified(capsys, measured)
    assert (code, said["whole"], len(said["damaged"])) == (1, False, 1)
    assert said["damaged"][0].startswith("block 1 of the cell 'GaussianToy()")

    notes: list[str] = []
    calls: list[object] = []
    measure = work.measure_block
    monkeypatch.setattr(work, "measure_block", lambda *given: calls.append(given) or measure(*given))
    with Store(measured) as store:
        runner.run(CELLS, [], store, runner.Progress(note=notes.append), study=STUDY)
        after = [block.to_bytes() for block in store.record(CELLS[0]).blocks]
    assert (after, len(calls)) == (before, 1)
    assert notes == [f"{said['damaged'][0]}; it is measured again"]
    assert len(read(measured).measured) == 2
    assert verified(capsys, measured)[0] == 0


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        ("UPDATE cells SET facts = replace(facts, '4096', '4097') WHERE position = 0", "the row of cells"),
        ("UPDATE cells SET status = 'refused' WHERE position = 1", "the row of cells"),
        ("UPDATE cells SET timing = '{}' WHERE position = 1", "the row of cells"),
        ("UPDATE cells SET checksum = NULL WHERE position = 1", "the row of cells"),
        ("UPDATE cells SET key = 'x' WHERE position = 1", "the row of cells 'x'"),
        ("DELETE FROM cells WHERE position = 1", "its row is lost"),
        ("DELETE FROM blocks WHERE number = 2 AND key LIKE '%Score%'", "only 2 of its 3 blocks are left"),
        ("UPDATE blocks SET number = 7 WHERE number = 2 AND key LIKE '%Score%'", "block 7 of the cell"),
        ("UPDATE studies SET title = 'x'", "the row of studies 'two'"),
        ("UPDATE meta SET value = '2' WHERE name = 'version'", "the row of meta 'version'"),
    ],
)
def test_every_row_is_verified_and_a_run_makes_the_store_whole(measured: Path, statement: str, part: str) -> None:
    expected = numbers(measured)
    alter(measured, statement)
    with pytest.raises(BadInput, match="damaged") as found:
        read(measured)
    assert part in str(found.value)
    with Store(measured) as store:
        runner.run(CELLS, [], store, study=STUDY)
    kept = {"study", "provenance"}
    assert {name for name, value in numbers(measured).items() if value != expected[name]}.isdisjoint(kept)
    for name, value in numbers(measured).items():
        if name not in kept and value.startswith("{"):
            for quantity in ("total_variance", "bias", "parameters", "replicates"):
                assert json.loads(value)[quantity] == json.loads(expected[name])[quantity]


def test_a_malformed_file_says_what_can_be_read_and_promises_nothing(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s").mkdir()
    data = bytearray((whole / "store.sqlite").read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    (tmp_path / "s" / "store.sqlite").write_bytes(data)
    with pytest.raises(BadInput, match=r"the database file is damaged .*another --store") as found:
        read(tmp_path / "s")
    assert "nothing stored is lost" not in str(found.value)
    code, said = verified(capsys, tmp_path / "s")
    assert code == 1
    assert said["structure"]
    assert said["rows"]["cells"] + said["rows"]["meta"] + said["rows"]["provenance"] > 0


def test_verify_of_a_whole_store(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verified(capsys, whole)
    assert (code, said["whole"], said["structure"], said["damaged"]) == (0, True, [], [])
    assert (said["rows"]["cells"], said["rows"]["aside_cells"]) == (3, 1)
    with pytest.raises(SystemExit) as end:
        commands.main(["verify", str(whole)])
    assert end.value.code == 0
    assert "every checksum fits" in capsys.readouterr().out
