"""The store keeps whole blocks, refuses what it cannot read, and loses nothing."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import torch

from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.execution import work
from gradmark.benchmarks.measurement.fold import fold
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import measure, runner
from gradmark.benchmarks.studies.summary import summarise

CELL = Cell("GaussianToy()", "ScoreFunction()", replicates=10000)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    moments = fold([torch.randn(64, 3, dtype=torch.float64)], None, paired=False)
    with Store(tmp_path / "s") as store:
        store.plan([CELL], [])
        store.know(CELL, {"block": 64}, np.arange(3.0))
        store.add_block(CELL, 0, moments)
        store.finish(CELL, "measured")
    with Store(tmp_path / "s", write=False) as store:
        record = store.record(CELL)
    assert (record.status, record.facts) == ("measured", {"block": 64})
    np.testing.assert_array_equal(record.blocks[0].mean, moments.mean)
    np.testing.assert_array_equal(record.exact, np.arange(3.0))


def test_an_interrupted_run_resumes_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = 0

    def interrupted(*arguments: object) -> object:
        nonlocal blocks
        blocks += 1
        if blocks == 3:
            raise KeyboardInterrupt
        return whole(*arguments)  # type: ignore[arg-type]

    whole = work.measure_block
    monkeypatch.setattr(work, "measure_block", interrupted)
    with Store(tmp_path / "s") as store, pytest.raises(KeyboardInterrupt):
        runner.run([CELL], [], store)
    with Store(tmp_path / "s", write=False) as store:
        assert len(store.record(CELL).blocks) == 2
        assert store.record(CELL).status == "missing"
    with Store(tmp_path / "s") as store:
        runner.run([CELL], [], store)
        resumed = summarise(store.record(CELL))
    assert blocks == 4  # of three: none was measured twice
    monkeypatch.setattr(work, "measure_block", whole)
    straight = measure.measure("GaussianToy()", "ScoreFunction()", replicates=10000)
    assert resumed["parameters"] == straight["parameters"]
    assert resumed["total_variance"] == straight["total_variance"]


def test_a_second_run_measures_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path / "s") as store:
        runner.run([CELL], [], store)
        monkeypatch.setattr(work, "measure_block", lambda *_: pytest.fail("measured again"))
        monkeypatch.setattr(work.timing, "in_turn", lambda *_: pytest.fail("timed again"))
        runner.run([CELL], [], store)
        assert store.record(CELL).status == "measured"


def test_a_newer_store_is_refused_untouched(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        store.plan([CELL], [])
    base = sqlite3.connect(tmp_path / "s" / "store.sqlite")
    base.execute("UPDATE meta SET value = '99' WHERE name = 'version'")
    base.commit()
    base.close()
    for write in (True, False):
        with pytest.raises(BadInput, match=r"written by a newer gradmark .*99"):
            Store(tmp_path / "s", write=write)
    base = sqlite3.connect(tmp_path / "s" / "store.sqlite")
    assert base.execute("SELECT count(*) FROM cells").fetchone() == (1,)
    base.close()


def test_no_store_and_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is none"):
        Store(tmp_path / "nothing", write=False)
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "store.sqlite").write_text("this is no database, " * 99)
    for write in (True, False):
        with pytest.raises(BadInput, match="not a database"):
            Store(tmp_path / "s", write=write)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file"):
        Store(tmp_path / "file")


def test_a_full_disk_is_one_line_and_keeps_what_was_stored(tmp_path: Path) -> None:
    """SQLite's own page limit stands for the disk's: both end in "database or disk is full"."""
    moments = fold([torch.randn(4096, 3, dtype=torch.float64)], None, paired=False)
    with Store(tmp_path / "s") as store:
        store.plan([CELL], [])
        store.add_block(CELL, 0, moments)
        store.rows.base.execute("PRAGMA max_page_count = 60")
        with pytest.raises(BadInput, match="disk is full; nothing stored is lost"):
            deque((store.add_block(CELL, number, moments) for number in range(1, 100)), maxlen=0)
    with Store(tmp_path / "s", write=False) as store:
        np.testing.assert_array_equal(store.record(CELL).blocks[0].mean, moments.mean)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_one_line(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        store.plan([CELL], [])
    (tmp_path / "s").chmod(0o500)
    try:
        with pytest.raises(BadInput, match="nothing stored is lost"):
            Store(tmp_path / "s")
        with Store(tmp_path / "s", write=False) as store:
            assert store.record(CELL).status == "missing"
    finally:
        (tmp_path / "s").chmod(0o700)


def test_failed_cells_are_tried_again_and_measured_ones_kept(tmp_path: Path) -> None:
    other = Cell("GaussianToy()", "LeaveOneOut()", num_samples=2, replicates=4096)
    with Store(tmp_path / "s") as store:
        store.plan([CELL, other], [])
        store.finish(other, "failed", "because")
        runner.run([CELL, other], [], store)
        assert [record.status for record in store.records()] == ["measured", "measured"]
        assert store.record(other).reason is None
