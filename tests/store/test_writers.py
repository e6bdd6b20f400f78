"""One writer at a time, who is named; kills and SIGTERM lose nothing."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.cli import commands
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.execution import work
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import runner
from gradmark.benchmarks.trust import kills

ROOT = Path(__file__).parent.parent.parent
CELL = Cell("GaussianToy()", "ScoreFunction()")
HOLD = """
import sys, time
from collections.abc import Iterator
from pathlib import Path
from gradmark.benchmarks.store.store import Store
store = Store(Path(sys.argv[1]))
print("open", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that writes to a store."""
    call = [sys.executable, "-c", HOLD, str(tmp_path / "s")]
    with subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_the_error_of_a_second_writer_names_the_first(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    said = rf"locked: process {holder.pid} on '{platform.node()}' writes to it since 20\d\d-.*another --store"
    with pytest.raises(BadInput, match=said):
        Store(tmp_path / "s")
    with Store(tmp_path / "s", write=False) as store:
        assert store.records() == []


def test_a_writer_that_was_killed_holds_no_lock(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.wait()
    with Store(tmp_path / "s") as store:
        store.plan([CELL], [])


def test_two_writers_in_one_process(tmp_path: Path) -> None:
    with Store(tmp_path / "s"), pytest.raises(BadInput, match=f"locked: process {os.getpid()} on"):
        Store(tmp_path / "s")
    with Store(tmp_path / "s") as store:
        assert store.records() == []


def test_a_reader_sees_one_state_while_a_run_writes(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as writer:
        writer.plan([CELL], [])
        with Store(tmp_path / "s", write=False) as reader:
            assert [record.status for record in reader.records()] == ["missing"]
            writer.finish(CELL, "failed", "because")
            assert [record.status for record in reader.records()] == ["missing"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C interrupts, also where the tests run in the background of a script, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_sigterm_says_what_ctrl_c_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "s.toml"
    grid = 'problems = ["GaussianToy()"]\nestimators = ["ScoreFunction()"]\nreplicates = 16384\n'
    study.write_text(f'title = "t"\n[[variance]]\n{grid}')
    whole, ended = work.measure_block, []
    for number in (signal.SIGINT, signal.SIGTERM):
        blocks = 0

        def stopped(*given: object, number: int = number) -> object:
            nonlocal blocks
            blocks += 1
            if blocks == 3:
                os.kill(os.getpid(), number)
                time.sleep(60)  # the signal arrives here
            return whole(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(work, "measure_block", stopped)
        with pytest.raises(SystemExit) as end:
            commands.main(["run", str(study), "--store", str(tmp_path / number.name)])
        ended.append((end.value.code, capsys.readouterr().err.strip().splitlines()[-1]))
        with Store(tmp_path / number.name, write=False) as store:
            assert len(store.records()[0].blocks) == 2
    line = "gradmark: interrupted; what is stored is whole, and the same command does the rest"
    assert ended == [(130, line), (143, line)]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


UNTIMED = """
main = commands.main
commands.main = lambda arguments: main([*arguments, "--processes", "0"])  # nothing is timed again in new processes
STUDY = STUDY.replace('"MovingAverageBaseline()", "Reparameterization()"', '"MovingAverageBaseline()"')
"""


@pytest.mark.parametrize(
    ("change", "most"), [(UNTIMED, 1), pytest.param("", 2, marks=pytest.mark.full)], ids=["untimed", "whole"]
)
def test_a_killed_study_ends_as_an_undisturbed_one(change: str, most: int) -> None:
    """A small part of `python -m gradmark.benchmarks.trust.kills`, in a process of its own, which may fork."""
    call = f"[e] = count(signal.SIGKILL, studies=1, kills={most}, seed=0, text=STUDY); print(e.same, e.kills)"
    code = f"from gradmark.benchmarks.trust.kills import *\n{change}\n{call}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    same, hits = done.stdout.splitlines()[-1].split()
    assert same == "True"
    assert 0 <= int(hits) <= most


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with Store(tmp_path / name) as store:
            runner.run([Cell("GaussianToy()", "ScoreFunction()", replicates=4096, seed=ord(name))], [], store)
    assert kills.contents(tmp_path / "a") != kills.contents(tmp_path / "b")
