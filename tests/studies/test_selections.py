"""`all` and `family:NAME` among the estimators of a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradmark.benchmarks import selections, specs
from gradmark.benchmarks.cli.commands import main
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import runner, study

STUDY = """
title = "t"
[[variance]]
problems = ["BernoulliToy()"]
estimators = [ESTIMATORS]
num_samples = [1]
replicates = 8
"""


def planned(estimators: str) -> list[str]:
    """The estimators of a study's cells, each once."""
    cells = study.parse(STUDY.replace("ESTIMATORS", estimators), "s.toml").cells()
    return list(dict.fromkeys(cell.estimator for cell in cells))


def test_all_is_the_catalogue_and_a_family_is_its_folder() -> None:
    every = planned('"all"')
    assert every == [f"{name}()" for name in specs.names("estimator")]
    parts = [planned(f'"family:{family}"') for family in selections.families()]
    assert sorted(each for part in parts for each in part) == sorted(every)
    assert planned('"family:coupled"') == ["ARM()", "DisARM()"]


def test_each_estimator_is_planned_once_beside_others() -> None:
    found = planned('"DisARM()", "family:coupled", "ConstantBaseline(baseline=2.0)"')
    assert found == ["DisARM()", "ARM()", "ConstantBaseline(baseline=2.0)"]


def test_what_does_not_fit_is_refused_as_data() -> None:
    cells = study.parse(STUDY.replace("ESTIMATORS", '"family:pathwise"'), "s.toml").cells()
    with Store(None) as store:
        runner.run(cells, [], store)
        records = [store.record(cell) for cell in cells]
    assert [record.status for record in records] == ["refused"] * 5
    assert all(record.reason for record in records)


@pytest.mark.parametrize("text", ["family:score_fuction", "family:", "family:all"])
def test_an_unknown_family_is_one_line_that_names_the_families(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # a long path would shorten the message
    Path("s.toml").write_text(STUDY.replace("ESTIMATORS", f'"{text}"'))
    with pytest.raises(SystemExit) as end:
        main(["run", "s.toml", "--store", "s.store"])
    lines = capsys.readouterr().err.splitlines()
    assert (end.value.code, len(lines)) == (2, 1)
    assert "variance[0].estimators[0]: " in lines[0]
    assert "must be all, or family: and one of score_function, pathwise" in lines[0]
    with pytest.raises(BadInput, match="must be all, or family: and one of"):
        selections.checked(text)
