"""`gradmark check` on the command line, and plug-ins in the current folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gradmark.benchmarks.cli.commands import main

PLUGIN = """
import os, time
from dataclasses import dataclass
from gradmark.estimators import LeaveOneOut

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
from gradmark.benchmarks.problems import BernoulliToy

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


def judged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str, status: int = 1
) -> tuple[list[dict[str, Any]], str]:
    """The verdicts of a command that ends with the status, and what went to stderr."""
    assert run(folder, monkeypatch, *arguments, "--json") == status
    out, err = capfd.readouterr()
    keys = {"law", "fixture", "num_samples", "status", "coordinate", "size", "visible", "relative", "exception"}
    verdicts = json.loads(out)["estimators"]
    for verdict in verdicts:
        assert set(verdict) == {"estimator", "declared", "verdict", "seconds", "laws"}
        assert all(set(ruling) == {*keys, "detail"} for ruling in verdict["laws"])
    return verdicts, err


def test_a_plugin_that_never_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    arguments = (
        "mine.Stubborn()",
        "--against",
        "BernoulliToy()",
        "--budget",
        "3",
    )  # it sleeps, however fast others are
    ((verdict,), _) = judged(tmp_path, monkeypatch, capfd, *arguments)
    sleep = PLUGIN.splitlines().index("                time.sleep(1000)") + 1
    assert verdict["verdict"] == "wrong"
    assert verdict["laws"][-1]["detail"] == (
        f"an operation did not return within 1 seconds and could not be interrupted (mine.py:{sleep})"
    )


def test_plugins_that_end_the_process_or_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "torn.py").write_text("def broken(:\n")
    (tmp_path / "benchmarks").mkdir()  # a folder that happens to be called as our package
    texts = ["mine.Leaves()", "torn.X()", "mine.Right()"]
    arguments = (*texts, "--against", "BernoulliToy()", "--budget", "3600")
    said, err = judged(tmp_path, monkeypatch, capfd, *arguments, status=2)
    assert "not for stdout" in err
    assert "gradmark: estimator 'torn.X()': importing 'torn' raised SyntaxError: invalid syntax (torn.py:1)\n" in err
    assert [verdict["verdict"] for verdict in said] == ["wrong", "right"]
    assert "status 7" in said[0]["laws"][-1]["detail"]


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
    [line] = [each for each in err.splitlines() if not each.startswith("gradmark: plug-in ")]  # what was loaded
    assert said in line


def test_result_comes_first_and_passes_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ("LeaveOneOut()", "--against", "BernoulliToy()", "--budget", "3600")
    assert run(tmp_path, monkeypatch, *arguments) == 0
    out = capfd.readouterr().out
    first, second = out.splitlines()[:2]
    assert re.fullmatch(r"LeaveOneOut\(\) is right: \d+ checks passed on 4 cases \(\d+ s\)", first)
    assert second.startswith("It breaks no law; its expectation is exact in 4 trials (a bias of ")
    assert "of the gradient's norm" in second
    assert " passed " not in out.partition("\n")[2]
    assert run(tmp_path, monkeypatch, *arguments, "--verbose") == 0
    assert " passed " in capfd.readouterr().out.partition("\n")[2]
