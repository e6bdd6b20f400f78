"""`gradmark check` on the command line, and plug-ins in the current folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.cli import main

PLUGIN = """
import os, time
from dataclasses import dataclass
from estimators import LeaveOneOut

@dataclass(frozen=True)
class Right(LeaveOneOut):
    def surrogate(self, problem, params, state, num_samples):
        print("not for stdout")
        return super().surrogate(problem, params, state, num_samples)

@dataclass(frozen=True)
class Stubborn(LeaveOneOut):
    def surrogate(self, problem, params, state, num_samples):
        while True:
            try:
                time.sleep(1000)
            except BaseException:
                pass

@dataclass(frozen=True)
class Leaves(LeaveOneOut):
    def surrogate(self, problem, params, state, num_samples):
        os._exit(7)
"""


CROOKED = """
from dataclasses import dataclass
from benchmarks.problems import BernoulliToy

@dataclass(frozen=True)
class Crooked(BernoulliToy):
    def exact(self, params):
        exact = super().exact(params)
        return exact / 2 + exact.detach() / 2
"""


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of `gradmark check …` in a folder."""
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as end:
        main(["check", *arguments])
    return int(end.value.code or 0)


def test_plugins_that_do_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "torn.py").write_text("def broken(:\n")
    (tmp_path / "benchmarks").mkdir()  # a folder that happens to be called as our package
    texts = ["mine.Stubborn()", "mine.Leaves()", "torn.X()", "mine.Right()"]
    status = run(tmp_path, monkeypatch, *texts, "--against", "BernoulliToy()", "--budget", "3", "--json")
    out, err = capfd.readouterr()
    assert status == 2
    assert "not for stdout" in err
    assert "gradmark: estimator 'torn.X()': importing 'torn' raised SyntaxError: invalid syntax (torn.py:1)\n" in err
    said = json.loads(out)["estimators"]
    assert [verdict["verdict"] for verdict in said] == ["wrong", "wrong", "right"]
    last = [verdict["laws"][-1]["detail"] for verdict in said]
    sleep = PLUGIN.splitlines().index("                time.sleep(1000)") + 1
    assert last[0] == (f"an operation did not return within 1 seconds and could not be interrupted (mine.py:{sleep})")
    assert "status 7" in last[1]
    keys = {"law", "fixture", "num_samples", "status", "coordinate", "size", "visible", "detail"}
    for verdict in said:
        assert set(verdict) == {"estimator", "declared", "verdict", "seconds", "laws"}
        assert all(set(ruling) == keys for ruling in verdict["laws"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("NoSuch()",), "no estimator is called NoSuch"),
        (("LeaveOneOut",), "a spec is a call"),
        (("nowhere.at_all.X()",), "cannot import"),
        (("LeaveOneOut()", "--against", "Nothing()"), "no problem is called Nothing"),
        (("LeaveOneOut()", "--level", "2"), "--level"),
        (
            ("LeaveOneOut()", "--against", "crooked.Crooked()"),
            "the problem itself is wrong; oracle_has_its_own_gradient",
        ),
    ],
)
def test_bad_input(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    (tmp_path / "crooked.py").write_text(CROOKED)
    assert run(tmp_path, monkeypatch, *arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1


def test_table_and_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, monkeypatch, "LeaveOneOut()", "--against", "BernoulliToy()") == 0
    last = capfd.readouterr().out.strip().splitlines()[-1]
    assert last.startswith("LeaveOneOut() is right: it breaks no law; its expectation is exact in 4 trials")
