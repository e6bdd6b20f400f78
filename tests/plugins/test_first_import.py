"""A plug-in that ends or blocks its process while it is imported: one line that names the file, and exit status 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradmark.benchmarks.cli import commands

HEAD = """import ctypes, os, signal, sys, time
from dataclasses import dataclass
from gradmark.estimators import LeaveOneOut
"""
CLASS = "\n@dataclass(frozen=True)\nclass Mine(LeaveOneOut):\n    def __post_init__(self):\n        {0}\n"
TOY = ("--problem", "BernoulliToy()", "--num-samples", "2", "--replicates", "8")
LINE = HEAD.count("\n") + 1
ENDS = {
    "sys.exit(0)": f"importing 'mine_ends' raised SystemExit: 0 (mine_ends.py:{LINE})",
    "raise BaseException('no')": f"importing 'mine_ends' raised BaseException: no (mine_ends.py:{LINE})",
    "os._exit(0)": f"loading it: the process ended with status 0 (mine_ends.py:{LINE})",
    "ctypes.string_at(0)": f"loading it: the process died of SIGSEGV (mine_ends.py:{LINE})",
    "os.kill(os.getpid(), signal.SIGKILL)": f"loading it: the process died of SIGKILL (mine_ends.py:{LINE})",
}
SLEEPS = "time.sleep(10**6)"
STUDY = """title = "Mine"
plugins = "."
[[variance]]
problems = ["BernoulliToy()"]
estimators = ["ScoreFunction()", "mine_ends.Mine()"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of plug-ins, which is not the current one."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "plugins"


def written(folder: Path, importing: str = "", building: str = "pass") -> None:
    """The plug-in, which does one thing while it is imported and another when its class is called."""
    (folder / "mine_ends.py").write_text(HEAD + importing + CLASS.format(building))


def refused(capfd: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> str:
    """The one line of a command that ends with status 2."""
    with pytest.raises(SystemExit) as end:
        commands.main([*arguments, "--plugins", str(folder)])
    out, err = capfd.readouterr()
    assert (end.value.code, out) == (2, "")
    (line,) = err.splitlines()
    assert len(line) < 300
    return line


@pytest.mark.parametrize("code", ENDS)
def test_an_import_cannot_end_a_measurement(folder: Path, capfd: pytest.CaptureFixture[str], code: str) -> None:
    written(folder, code)
    line = refused(capfd, folder, "measure", *TOY, "--estimator", "mine_ends.Mine()")
    assert line == f"gradmark: estimator 'mine_ends.Mine()': {ENDS[code]}"


def test_an_import_has_a_limit_of_time(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written(folder, SLEEPS)
    line = refused(capfd, folder, "measure", *TOY, "--estimator", "mine_ends.Mine()", "--cell-seconds", "2")
    assert line.endswith(f"no answer within 2 seconds; give it more with --cell-seconds (mine_ends.py:{LINE})")


def test_building_an_object_cannot_end_a_measurement(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written(folder, building="os._exit(0)")
    line = refused(capfd, folder, "measure", *TOY, "--estimator", "mine_ends.Mine()")
    assert line.endswith(f"loading it: the process ended with status 0 (mine_ends.py:{LINE + 4})")


@pytest.mark.parametrize("code", [pytest.param("os._exit(0)", marks=pytest.mark.full), "ctypes.string_at(0)"])
def test_an_import_cannot_end_a_check(folder: Path, capfd: pytest.CaptureFixture[str], code: str) -> None:
    written(folder, code)
    how = "ended with status 0" if "exit" in code else f"died of SIGSEGV (mine_ends.py:{LINE})"
    for arguments, name in [
        (["mine_ends.Mine()"], "estimator 'mine_ends.Mine()'"),
        (["ScoreFunction()", "--against", "mine_ends.Mine()"], "problem 'mine_ends.Mine()'"),
    ]:
        line = refused(capfd, folder, "check", *arguments)
        assert line == f"gradmark: {name}: loading it: the process {how}"


def test_an_import_cannot_end_a_run(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written(folder, "os._exit(0)")
    (folder / "mine.toml").write_text(STUDY)
    line = refused(capfd, folder, "run", str(folder / "mine.toml"), "--store", str(folder / "s"))
    assert "variance[0].estimators[1]: estimator 'mine_ends.Mine()': loading it: the process ended" in line
    assert not (folder / "s").exists()


def test_what_can_be_read_is_measured(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written(folder)
    with pytest.raises(SystemExit) as end:
        commands.main(["measure", *TOY, "--estimator", "mine_ends.Mine()", "--plugins", str(folder)])
    assert not end.value.code
    assert capfd.readouterr().err == f"gradmark: plug-in mine_ends from {folder / 'mine_ends.py'}\n"
