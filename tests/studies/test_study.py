"""Study files: the grid, its canonical text, and every fault of a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.studies import study

GOOD = """
title = "t"
[[variance]]
problems = ["GaussianToy(k=1)", "BernoulliToy( )"]
estimators = ["ScoreFunction()", "MovingAverageBaseline(decay=0.5)"]
num_samples = [1, 2]
at = ["init", "step=10"]
replicates = 100
[[convergence]]
problems = ["GaussianToy()"]
solvers = ["Adam(LeaveOneOut(), num_samples=3)"]
steps = 5
"""


def test_grid_is_the_product_with_states() -> None:
    plan = study.parse(GOOD, "good.toml")
    cells = plan.cells()
    assert len(cells) == 2 * 2 * 2 * 3
    assert {cell.state for cell in cells} == {"none", "cold", "warm"}
    assert cells[0].problem == "GaussianToy(k=1.0)"
    assert {cell.replicates for cell in cells} == {100}
    assert len({cell.key for cell in cells}) == len(cells)
    assert plan.trainings()[0].solver == "Adam(estimator=LeaveOneOut(), num_samples=3)"
    assert {cell.device for cell in plan.cells("cuda")} == {"cuda"}


def test_cells_of_one_table_stand_together() -> None:
    tables = [cell.table for cell in study.parse(GOOD, "good.toml").cells()]
    assert len(dict.fromkeys(tables)) == sum(a != b for a, b in zip([None, *tables], tables, strict=False))


def test_four_faults_are_four_lines_with_their_paths() -> None:
    bad = GOOD.replace("ScoreFunction()", "ScoreFunctoin()").replace("step=10", "step=x")
    bad = bad.replace("num_samples = [1, 2]", "num_samples = [1, 0]").replace("steps = 5", "stpes = 5\nsteps = 1.5")
    with pytest.raises(BadInput) as caught:
        study.parse(bad, "bad.toml")
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    assert all(line.startswith("bad.toml: ") for line in lines)
    text = "\n".join(lines)
    assert "variance[0].estimators[0]: estimator 'ScoreFunctoin()'" in text
    assert "did you mean ScoreFunction or" in text
    assert "variance[0].num_samples[1]" in text
    assert "variance[0].at[1]" in text
    assert "convergence[0].stpes" in text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("title = ", "not TOML"),
        ("[[variance]]\nproblems = []", "title"),
        ('title = "t"\n[[variance]]\nproblems = ["GaussianToy()"]\nestimators = ["ScoreFunction()"]\n'
         "replicates = 8\nrel_ci = 0.1", "exclude each other"),
    ],
)  # fmt: skip
def test_each_fault_is_named(text: str, part: str) -> None:
    with pytest.raises(BadInput, match=part):
        study.parse(text, "bad.toml")


def test_published_studies_are_valid_and_found_by_name() -> None:
    assert "demo" in study.published()
    assert study.load("demo").cells()


def test_unknown_study_names_the_published_ones(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"published are .*demo"):
        study.load("dmeo")
    with pytest.raises(BadInput, match="no such file"):
        study.load(str(tmp_path / "none.toml"))
