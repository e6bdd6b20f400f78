"""Plug-ins at the command line: one rule for every command, consent for a study, and nothing else on stdout."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from gradmark.benchmarks.cli import commands, streams
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.plugins.consent import Consent
from gradmark.benchmarks.studies import study

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "cases"
TOY = ("--problem", "BernoulliToy()", "--num-samples", "2", "--replicates", "8")
ONCE = ("--processes", "0")  # in no other process is all timed again: it takes seconds, and nothing here is about it
LOUD = """
import atexit, os, subprocess, sys
from own_estimator import Mine as Quiet

def everywhere():
    print("spoilt")
    os.write(1, b"spoilt")
    subprocess.run([sys.executable, "-S", "-c", "print('spoilt')"])

everywhere()
atexit.register(everywhere)

class Loud(Quiet):
    def surrogate(self, *arguments):
        print("spoilt")
        return super().surrogate(*arguments)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with a plug-in and a study of it."""
    for file in CASES.glob("own_estimator.*"):
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "pwned").exists()


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command."""
    with pytest.raises(SystemExit) as end:
        commands.main(list(arguments))
    out, err = capfd.readouterr()
    return int(end.value.code or 0), out, err


def process(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, as `python -m` starts it in a folder."""
    known = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "gradmark", *arguments]
    return subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, check=False)


def test_one_rule_for_every_command(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = f"gradmark: plug-in own_estimator from {folder / 'own_estimator.py'}\n"
    for text in ("own_estimator.Mine()", "own_estimator.py:Mine()", f"{folder}/own_estimator.py:Mine()"):
        code, out, err = call(capfd, "measure", *TOY, "--estimator", text, "--json")
        assert (code, err) == (0, said)
        assert json.loads(out)["estimator"] == "own_estimator.Mine()"
    code, out, err = call(capfd, "run", "own_estimator.toml", "--plugins", ".", *ONCE)
    assert code == 0
    assert err.count(said) == 1
    code, out, err = call(capfd, "check", "own_estimator.Mine()", "--against", "BernoulliToy()", "--budget", "20")
    assert (code, err) == (0, said)


def test_the_folder_may_be_another(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path_factory.mktemp("other")
    (folder / "own_estimator.py").rename(other / "theirs.py")
    code, _, err = call(capfd, "measure", *TOY, "--estimator", "theirs.Mine()")
    assert code == 2
    assert "pass --plugins FOLDER, or write file.py:Class()" in err
    for text in ("theirs.Mine()", "theirs.py:Mine()"):
        code, out, _ = call(capfd, "measure", *TOY, "--estimator", text, "--plugins", str(other), "--json")
        assert (code, json.loads(out)["estimator"]) == (0, "theirs.Mine()")
    code, _, err = call(capfd, "check", "theirs.Mine()", "--plugins", str(other), "--against", "theirs.NoSuch()")
    assert (code, len(err.splitlines())) == (2, 2)
    assert "has no 'NoSuch'" in err


def test_what_was_loaded_is_kept(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capfd, "run", "own_estimator.toml", "--plugins", str(folder), "--store", "s", *ONCE)
    assert code == 0, err
    (facts,) = sqlite3.connect(folder / "s" / "store.sqlite").execute("SELECT facts FROM provenance").fetchone()
    (loaded,) = json.loads(facts)["plugins"]
    assert (loaded["module"], loaded["file"]) == ("own_estimator", str(folder / "own_estimator.py"))
    assert len(loaded["sha256"]) == 64


def test_a_study_needs_its_key_and_the_users_consent(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "else").mkdir()
    plain = (folder / "own_estimator.toml").read_text()
    (folder / "keyless.toml").write_text(plain.replace('plugins = "."\n', ""))
    (folder / "nowhere.toml").write_text(plain.replace('"."', '"no/such/folder"'))
    (folder / "own_estimator.py").write_text("open('pwned', 'w')")
    for arguments, part in [
        (("own_estimator.toml",), f"read that, then pass --plugins {folder}"),
        (("own_estimator.toml", "--plugins", "else"), f"has its plug-ins in {folder}; pass that"),
        (("own_estimator.toml", "--plugins", "no/such"), f"has its plug-ins in {folder}; pass that"),
        (("keyless.toml",), 'add plugins = "." to the study file, and pass --plugins FOLDER'),
        (("keyless.toml", "--plugins", "."), 'says plugins = "."; add that to the file'),
        (("demo", "--plugins", "."), "a published study has no plug-ins"),
        (("nowhere.toml", "--plugins", "."), "there is no folder 'no/such/folder' beside it"),
    ]:
        code, out, err = call(capfd, "run", *arguments)
        assert (code, out) == (2, "")
        assert part in err
        assert all(len(line) < 300 for line in err.splitlines())


def test_a_study_asks_at_a_terminal(folder: Path) -> None:
    asked: list[str] = []

    def answer(question: str, yes: bool) -> bool:
        asked.append(question)
        return yes

    with study.opened("own_estimator.toml", Consent(ask=lambda question: answer(question, True))) as plan:
        assert {cell.estimator for cell in plan.cells()} == {"own_estimator.Mine()", "LeaveOneOut()"}
    with (
        pytest.raises(BadInput, match="it runs code from a folder"),
        study.opened("own_estimator.toml", Consent(ask=lambda question: answer(question, False))),
    ):
        pass
    assert asked == [f"The study 'own_estimator.toml' runs code from the folder {folder}. Run it?"] * 2


@pytest.mark.parametrize("key", ["problems", "estimators", "solvers", "experiments"])
def test_a_foreign_study_runs_nothing(folder: Path, key: str, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "theirs.py").write_text("open('pwned', 'w')")
    for text in ('os.system("touch pwned")', "theirs.X()", "./theirs.py:X()", "gradmark.benchmarks.__main__.main()"):
        listed = {"problems": ["GaussianToy()"], "estimators": ["ScoreFunction()"]} | {key: [text]}
        variance = "".join(f"{name} = {json.dumps(listed[name])}\n" for name in ("problems", "estimators"))
        head = f"experiments = {json.dumps([text])}\n" if key == "experiments" else ""
        tail = f'[[convergence]]\nproblems = ["GaussianToy()"]\nsteps = 1\nsolvers = {json.dumps([text])}\n'
        tail = tail if key == "solvers" else ""
        (folder / "theirs.toml").write_text(f'title = "t"\n{head}[[variance]]\n{variance}{tail}')
        code, out, err = call(capfd, "run", "theirs.toml", "--store", "s")
        assert (code, out, len(err.splitlines())) == (2, "", 1)


def test_measure_prints_one_object_whatever_a_plugin_prints(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ended: list[bool] = []
    monkeypatch.setattr(streams, "nothing_more", lambda: ended.append(True))
    (folder / "loud.py").write_text(LOUD.replace("atexit.register", "# "))  # here it would print when all tests end
    code, out, err = call(capfd, "measure", *TOY, "--estimator", "loud.Loud()", "--json")
    assert (code, json.loads(out)["status"]) == (0, "measured")
    assert err.count("spoilt") >= 3
    assert ended == [True]


def test_nothing_is_printed_after_the_object() -> None:
    """By handlers that a plug-in registered: stdout is closed to them."""
    code = f"{LOUD.partition('class')[0].replace('from own_estimator', '# from')}\n"
    code += "from gradmark.benchmarks.cli import streams\nprint('{}')\nstreams.nothing_more()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "{}"
    assert done.stdout.count("spoilt") == 3  # before it
    assert done.stderr.count("spoilt") == 3


@pytest.mark.full  # the two tests above, in any run, say the same of its parts
def test_measure_prints_one_object_in_a_process(folder: Path) -> None:
    (folder / "loud.py").write_text(LOUD)
    done = process(folder, "measure", *TOY, "--estimator", "loud.Loud()", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "measured"
    assert "spoilt" in done.stderr


@pytest.mark.full  # in any run, test_front_door has a folder called benchmarks, and checks in it
def test_the_current_folder_hides_nothing(folder: Path) -> None:
    """Python itself puts it first for `python -m`; the installed script does not."""
    for name in ("torch", "random", "json", "pathlib", "click", "decimal", "statistics"):
        (folder / f"{name}.py").write_text("raise SystemExit('hidden')")
    for name in ("benchmarks", "estimators", "reports"):
        (folder / name).mkdir()
    done = process(folder, "measure", *TOY, "--estimator", "own_estimator.Mine()", "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "measured")


def test_stdout_of_ascii_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the process: what `LANG=C` or PYTHONIOENCODING=ascii makes of the two streams."""
    for arguments in (
        ("measure", *TOY, "--estimator", "LeaveOneOut()"),
        ("measure", *TOY, "--estimator", "LeaveOneOut(é=1)"),
        ("measure", *TOY, "--estimator", "“LeaveOneOut”()"),
        ("run", "café.toml"),
        ("run", "quick\udcff.toml"),
        ("status", "é"),
        ("report", "é"),
    ):
        out, err = (TextIOWrapper(BytesIO(), encoding="ascii") for _ in range(2))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as end:
            commands.main(list(arguments))
        assert end.value.code in (0, 2)
        out.flush()
        assert out.buffer.getvalue() or end.value.code == 2  # type: ignore[attr-defined]


def test_stdout_of_ascii_only_in_a_process(tmp_path: Path) -> None:
    done = process(tmp_path, "list", "problems", PYTHONIOENCODING="ascii", LANG="C")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xb2" in done.stdout
