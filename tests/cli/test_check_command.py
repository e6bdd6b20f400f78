"""`gradmark check` on the command line, and plug-ins in the current folder."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from gradmark.benchmarks.checks import check_server
from gradmark.benchmarks.checks.check_server import kept_server
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


def reports(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str, status: int = 1
) -> tuple[list[dict[str, Any]], str]:
    """The reports of a command that ends with the status, and what went to stderr."""
    assert run(folder, monkeypatch, *arguments, "--json") == status
    out, err = capfd.readouterr()
    keys = ["check", "problem", "at", "num_samples", "status", "coordinate", "error", "smallest_detectable", "detail"]
    found = json.loads(out)
    assert list(found) == ["estimators"]
    for report in found["estimators"]:
        assert list(report) == ["estimator", "declared", "status", "seconds", "checks"]
        assert all(list(result) == keys for result in report["checks"])
    return found["estimators"], err


def test_a_plugin_that_never_returns(
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
    ((report,), _) = reports(tmp_path, monkeypatch, capfd, *arguments)
    sleep = PLUGIN.splitlines().index("                time.sleep(1000)") + 1
    assert report["status"] == "failed"
    assert report["checks"][-1]["check"] == "process"
    assert report["checks"][-1]["detail"] == (
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
    found, err = reports(tmp_path, monkeypatch, capfd, *arguments, status=2)
    assert "not for stdout" in err
    assert "gradmark: estimator 'torn.X()': importing 'torn' raised SyntaxError: invalid syntax (torn.py:1)\n" in err
    assert [report["status"] for report in found] == ["failed", "passed"]
    assert "status 7" in found[0]["checks"][-1]["detail"]


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
    first, *rest = out.splitlines()
    assert all(len(line) <= 80 for line in [first, *rest])
    second = " ".join(" ".join(rest).split())
    assert re.fullmatch(r"LeaveOneOut\(\) passed \d+ checks on 4 cases \(\d+ s\)", first)
    assert second.startswith("No check failed; its expectation is exact on 4 cases (a bias of ")
    assert "of the gradient's norm" in second
    assert " passed " not in out.partition("\n")[2]
    assert run(tmp_path, monkeypatch, *arguments, "--verbose") == 0
    assert " passed " in capfd.readouterr().out.partition("\n")[2]


def test_each_estimator_has_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """They are forked by one server, with the variables and the folder of the moment."""
    said = """
import os, sys
prepared = "torch._dynamo" in sys.modules  # after its first job the server imports what `meta` takes seconds for
print(os.getpid(), os.getppid(), os.environ["MINE"], os.getcwd(), sys.stdin.read() == "", prepared)
"""
    processes = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "mine.py").write_text(said)
        monkeypatch.setenv("MINE", name)
        assert run(folder, monkeypatch, "mine.Missing()") == 2
        process, server, variable, where, nothing, prepared = capfd.readouterr().err.splitlines()[0].split()
        processes.append((process, server))
        assert (variable, where, nothing) == (name, str(folder), "True")
    (first, server), (second, again) = processes
    assert first != second
    assert prepared == "True"
    assert server == again != str(os.getpid())


def test_a_process_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import time\ntime.sleep(1000)\n")
    job = {"spec": "mine.X()", "against": [], "level": 0.001, "budget": 60.0, "plugins": str(tmp_path)}
    start = time.monotonic()
    lines, status = kept_server().run(job | {"trace": str(tmp_path / "trace")}, seconds=1.0)
    assert status == -signal.SIGKILL
    assert [json.loads(line)["step"] for line in lines] == ["estimator 'mine.X()': loading it"]
    assert time.monotonic() - start < 500
    lines, status = kept_server().run(job | {"spec": "X", "trace": str(tmp_path / "trace")}, seconds=600.0)
    assert (status, "bad" in json.loads(lines[-1])) == (0, True)


def test_a_server_that_died_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both end before they have imported anything; the server of the other tests is left as it is."""
    monkeypatch.setattr(check_server, "_kept", [])
    first = kept_server()
    assert kept_server() is first
    os.kill(first.pid, signal.SIGKILL)
    job = {"spec": "X", "against": [], "level": 0.001, "budget": 60.0, "plugins": ".", "trace": str(tmp_path / "trace")}
    assert first.run(job, seconds=600.0) == ([], -signal.SIGKILL)
    second = kept_server()
    assert second.alive
    assert second.pid != first.pid
    second.close()
    assert not second.alive
