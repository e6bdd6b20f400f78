"""The command line: names and keys that scripts rely on, exit statuses, one line on stderr."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gradmark.benchmarks.cli import commands, study_counts
from gradmark.benchmarks.cli.summary_table import show_summary
from gradmark.benchmarks.studies import measure, study

TOY = ["--problem", "GaussianToy()", "--estimator"]
KEYS = {
    "problem", "estimator", "num_samples", "at", "device", "dtype", "replicates", "status", "reason", "objective",
    "parameters", "total_variance", "snr", "bias", "block", "state", "cosine", "nonfinite", "tail", "cost",
    "variance_times_evaluations", "work_normalised_variance",
}  # fmt: skip
EXACTLY = {"exact", "exact_error", "exact_given", "exact_stderr", "not_exact"}


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command."""
    with pytest.raises(SystemExit) as end:
        commands.main(list(arguments))
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_measure_prints_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "measure", *TOY, "Reparameterization()", "--replicates", "4096", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert set(found) >= KEYS
    assert found["status"] == "measured"
    assert set(found["objective"]) == {"value", "stderr", "exact"}
    assert set(found["parameters"]) == {"loc", "log_scale"}
    assert set(found["parameters"]["loc"]) == {"mean", "stderr", "variance", "exact"}
    assert found["parameters"]["loc"]["exact"] == [2.0]
    for name in ("snr", "cosine", "variance_times_evaluations", "work_normalised_variance"):
        assert set(found[name]) >= {"value", "stderr", "ci", "level", "withheld"}
    assert set(found["total_variance"]) == {"value", "stderr", "ci", "level", "withheld"} | EXACTLY
    assert set(found["bias"]) >= {"verdict", "level", "max_abs_z", "p_value", "minimum_detectable"}
    assert set(found["tail"]) >= {"khat", "kind"}
    assert set(found["cost"]) >= {"forward", "backward", "seconds", "peak_memory_bytes"}
    assert (found["block"], found["state"], found["nonfinite"]) == (4096, "none", 0)


def test_the_same_command_gives_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    timed = ("cost", "work_normalised_variance")
    runs = []
    for seed in ("3", "3", "4"):
        _, out, _ = call(capsys, "measure", *TOY, "ScoreFunction()", "--replicates", "1", "--seed", seed, "--json")
        runs.append({key: value for key, value in json.loads(out).items() if key not in timed})
    assert runs[0] == runs[1] != runs[2]


def test_variance_times_evaluations_comes_before_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """It is the same on every machine."""
    _, out, _ = call(capsys, "measure", *TOY, "Reparameterization()", "--replicates", "1", "--num-samples", "2")
    assert "2 forward, 2 backward" in out
    assert out.index("variance × evaluations") < out.index("variance × seconds")


def test_what_is_not_counted_is_no_zero(capsys: pytest.CaptureFixture[str]) -> None:
    summary = measure.measure("GaussianToy()", "Reparameterization()", replicates=1)
    summary["cost"] |= {"forward": None, "backward": None}
    show_summary(summary)
    assert "not counted" in capsys.readouterr().out


def test_a_refusal_is_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "measure", *TOY, "LeaveOneOut()", "--json")
    found = json.loads(out)
    assert (code, err, found["status"]) == (0, "", "refused")
    assert "pass 2 or more" in found["reason"]
    assert set(found) >= KEYS
    code, out, _ = call(capsys, "measure", *TOY, "LeaveOneOut()")
    assert code == 0
    assert "refused" in out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["measure", *TOY, "LeaveOnOut()"], "did you mean LeaveOneOut"),
        (["measure", *TOY, "ScoreFunction()", "--at", "nowhere"], "must be init, optimum, step=N or a file"),
        (["measure", *TOY, "ScoreFunction()", "--at", "none.npz"], "no such file"),
        (["measure", *TOY, "ScoreFunction()", "--num-samples", "0"], "num-samples"),
        (["measure", *TOY, "ScoreFunction()", "--replicates", "9", "--rel-ci", "0.1"], "exclude each other"),
        (["measure", *TOY, "ScoreFunction()", "--dtype", "float16"], "dtype"),
        (["measure", "--problem", "GaussianToy()"], "estimator"),
        (["measure", "--problem", 'GaussianVAE(data="mnits-5k")', "--estimator", "ScoreFunction()"], "did you mean"),
        (["run", "nowhere.toml"], "published are"),
        (["status", "nowhere"], "there is none"),
        (["report", "nowhere", "-o", "x.pdf"], "there is none"),
        (["frobnicate"], "frobnicate"),
        (["list", "frogs"], "frogs"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], part: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("gradmark: ")
    assert part in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["estimators", "problems", "studies", "data"])
def test_list_as_table_and_as_json(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    code, out, _ = call(capsys, "list", kind, "--json")
    rows = json.loads(out)[kind]
    assert code == 0
    assert all(row["name"] for row in rows)
    code, out, _ = call(capsys, "list", kind)
    assert code == 0
    assert rows[0]["name"] in out


def test_run_status_and_run_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    study = tmp_path / "small.toml"
    study.write_text(
        'title = "t"\n[[variance]]\nproblems = ["GaussianToy()"]\n'
        'estimators = ["ScoreFunction()", "StraightThrough()"]\nreplicates = 8\n'
    )
    for _ in range(2):
        code, out, _ = call(capsys, "run", str(study), "--store", str(tmp_path / "s"), "--processes", "0")
        assert code == 0
        assert str(tmp_path / "s") in out
    code, out, _ = call(capsys, "status", str(tmp_path / "s"), "--json")
    found = json.loads(out)
    assert (found["done"], found["missing"], found["refused"], found["failed"]) == (1, 0, 1, 0)


@pytest.mark.full  # test_stdout_of_ascii_only_in_a_process starts it so in any run
def test_python_m_benchmarks_is_gradmark() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gradmark", "list", "problems", "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["problems"]


def test_help_and_lists_load_no_torch() -> None:
    """In one process, where what is loaded stays: the list of everything, which needs more, comes last."""
    light = [["-h"], *(["list", kind] for kind in ("estimators", "problems", "experiments"))]
    code = f"""
import sys
from gradmark.benchmarks.cli.commands import cli
for arguments in {light}:
    cli(arguments, standalone_mode=False)
    assert not {{'torch', 'numpy', 'pydantic'}} & set(sys.modules), arguments
cli(['list'], standalone_mode=False)
assert not {{'torch', 'scipy', 'pandas'}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_studies_are_counted_from_their_text_as_they_are_run() -> None:
    plans = study.published()
    counted = {row["name"]: (row["cells"], row["trainings"], row["experiments"]) for row in study_counts.studies()}
    assert counted == {
        name: (len(plan.cells()), len(plan.trainings()), len(plan.inquiries())) for name, plan in plans.items()
    }


def test_measuring_loads_nothing_heavy_but_torch() -> None:
    """What takes long to import and a toy does not need."""
    arguments = ["measure", "--problem", "BernoulliToy()", "--estimator", "LeaveOneOut()", "--num-samples", "2"]
    code = (
        f"import sys; from gradmark.benchmarks.cli.commands import cli; cli({arguments}, standalone_mode=False); "
        f"heavy = {{'scipy.stats', 'scipy.optimize', 'scipy.linalg', 'pandas', 'matplotlib', 'pydantic', 'sklearn'}}; "
        "heavy |= {'setuptools', 'torch.utils.benchmark', 'torch._dynamo', 'torch._inductor', 'sympy'}; "
        "assert 'torch' in sys.modules; assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
