"""What is printed of a cell and a store: text of anybody as it stands, numbers that JSON can hold, refusals once."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Cell, Training
from gradmark.benchmarks.checks.report import CheckReport
from gradmark.benchmarks.checks.results import CheckResult
from gradmark.benchmarks.cli import check_table, commands
from gradmark.benchmarks.json_numbers import finite
from gradmark.benchmarks.store import status as store_status
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import measure, runner, terminal
from gradmark.benchmarks.training import points
from gradmark.benchmarks.training.points import Refusal
from tests.cases import printed
from tests.cases.full_covariance import Regression
from tests.cases.printed import MARKUP

PRINTED = printed.__name__  # a module of its own, as every process that runs it imports it


def measured(capsys: pytest.CaptureFixture[str], problem: str, estimator: str, *options: str) -> tuple[int, str]:
    command = ["measure", "--problem", problem, "--estimator", estimator, "--replicates", "8", *options]
    status = commands._guarded(command)
    return status, capsys.readouterr().out


def test_markup_is_printed_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = measured(capsys, "GaussianToy()", f"{PRINTED}.Shouts()")
    assert status == 0
    assert f"it says {MARKUP}" in " ".join(out.split())
    status, out = measured(capsys, "GaussianToy()", f"{PRINTED}.Shouts(raises=True)")
    assert status == 2
    assert f"ValueError: {MARKUP}" in " ".join(out.split())
    status, out = measured(capsys, "GaussianToy()", f'{PRINTED}.Shouts(text="[/red]")')
    assert status == 0
    assert 'Shouts(text="[/red]") on GaussianToy()' in " ".join(out.split())


def test_a_progress_bar_takes_any_label() -> None:
    bar = terminal._bar()
    task = bar.add_task("", total=1)
    bar.update(task, description=MARKUP)
    console = Console(file=io.StringIO(), width=200)
    console.print(bar.get_renderable())
    assert MARKUP in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_report_of_checks_prints_any_name(capsys: pytest.CaptureFixture[str]) -> None:
    result = CheckResult("failed", MARKUP, MARKUP, 1.0, check="x", problem=MARKUP, at="init", num_samples=1)
    check_table.show(CheckReport(MARKUP, "unbiased", "failed", 1.0, (result,)))
    assert f"{MARKUP} failed" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_an_objective_that_is_not_finite_is_null_with_a_reason(capsys: pytest.CaptureFixture[str], value: str) -> None:
    problem = f'{PRINTED}.Infinite(value="{value}")'
    status, out = measured(capsys, problem, "ScoreFunction()", "--json")
    found = json.loads(out, parse_constant=pytest.fail)
    assert status == 0
    assert found["objective"]["value"] is None
    assert f"the expected cost is {value}" in found["objective"]["reason"]
    status, out = measured(capsys, problem, "ScoreFunction()")
    assert status == 0
    assert f"not known: the expected cost is {value}" in " ".join(out.split())


def test_a_diagonal_of_zero_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    """q has no density: nothing is finite, and that is what is said."""
    for estimator, prior in (("Reparameterization()", "independent"), ("LeaveOneOut()", "full")):
        options = ["--json", "--num-samples", "2"]
        status, out = measured(capsys, str(Regression("zero", prior)), estimator, *options)
        assert status == 0
        found = json.loads(out, parse_constant=pytest.fail)
        assert found["objective"]["value"] is None
        assert found["snr"]["reason"] == found["cosine"]["reason"] == "no replicate is finite"
        assert "instead of 1" not in found["total_variance"]["not_exact"]
    status, out = measured(capsys, str(Regression("zero")), "Reparameterization()")
    shown = {line.partition("│")[0].strip(): line.partition("│")[2].strip() for line in out.splitlines()}
    for name in ("total variance", "signal to noise", "cosine", "variance × seconds"):
        assert shown[name] == "not known: no replicate is finite"


def test_no_optimum_where_nothing_is_finite() -> None:
    found = points.find(Regression("zero"), "optimum")
    assert isinstance(found, Refusal)
    assert "the expected cost is" in found.reason
    assert found.reason.endswith("use --at step=N or a file")


def test_an_objective_that_is_finite_has_no_reason() -> None:
    found = measure.measure("GaussianToy()", "ScoreFunction()", replicates=8)["objective"]
    assert found == {"value": 2.0, "stderr": 0.0, "exact": True}


def test_a_curve_that_is_not_finite_is_kept_as_null(tmp_path: Path) -> None:
    """Steps of 10^200 leave float64 at once."""
    todo = Training("GaussianToy()", "Adam(estimator=ExactGradient(), rate=1e200)", steps=4, evaluations=3)
    with Store(tmp_path / "s") as store:
        runner.run([], [todo], store)
        (curve,) = store.curves()
    assert curve.status == "measured"
    kept = json.dumps(curve.data, allow_nan=False)
    assert "null" in kept
    assert not np.isfinite(np.array((curve.data or {})["objective"], dtype=float)).all()


def test_only_numbers_that_are_not_finite_are_replaced() -> None:
    tree = {"a": [1, 2.5, float("nan")], "b": {"c": (float("inf"), "nan", None, True)}}
    assert finite(tree) == {"a": [1, 2.5, None], "b": {"c": [None, "nan", None, True]}}


def test_a_status_says_each_refusal_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [
        Cell("BernoulliToy()", estimator, count, at, replicates=8)
        for estimator in ("Reparameterization()", "LeaveOneOut()", "ScoreFunction()")
        for count in (2, 1)
        for at in ("init", "step=3")
    ]
    with Store(tmp_path / "s") as store:
        runner.run(cells, [], store)
    assert commands._guarded(["status", str(tmp_path / "s")]) == 0
    lines = " ".join(capsys.readouterr().out.split())
    said = specs.estimator("Reparameterization()").refuses(specs.problem("BernoulliToy()"), 1) or ""
    assert f"refused: Reparameterization() on BernoulliToy() (K = 1, 2; at init, step=3): {said}" in lines
    assert lines.count("refused: Reparameterization()") == 1
    assert lines.count("refused: LeaveOneOut() on BernoulliToy() (K = 1; at init, step=3)") == 1
    found = store_status.status(tmp_path / "s")
    assert (found["done"], found["refused"], len(found["reasons"])) == (6, 6, 2)
