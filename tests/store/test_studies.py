"""One study, one report: a store keeps every study's description, and a report holds the cells of one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.store import status
from gradmark.benchmarks.store.records import Description
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import terminal
from gradmark.reports.results.results import read

GRID = '[[variance]]\nproblems = ["GaussianToy()"]\nestimators = {}\nreplicates = 8\n'


def study(folder: Path, name: str, title: str, *estimators: str) -> str:
    path = folder / f"{name}.toml"
    named = str([f"{each}()" for each in estimators]).replace("'", '"')
    path.write_text(f'title = "{title}"\ndescription = "About {title}."\n' + GRID.format(named))
    return str(path)


def reported(path: Path, name: str | None = None, *, everything: bool = False) -> list[str]:
    return [entry.estimator for entry in read(path, name, everything=everything).entries]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that two studies were run into, the first of which lost a cell in between."""
    folder = tmp_path_factory.mktemp("studies")
    for name, title, *estimators in (
        ("one", "One", "ScoreFunction", "LeaveOneOut", "Antithetic"),
        ("one", "First", "LeaveOneOut", "ScoreFunction"),
        ("two", "Second", "Reparameterization"),
    ):
        terminal.run(study(folder, name, title, *estimators), folder / "s", None, processes=0)
    return folder / "s"


def test_a_report_is_of_the_study_run_last(path: Path) -> None:
    found = read(path)
    assert reported(path) == ["Reparameterization()"]
    assert found.description["title"] == "Second"
    assert found.description["description"] == "About Second."


def test_a_study_is_named_by_its_file_or_its_stem(path: Path) -> None:
    """The cell that was taken out of the first study is not in its report; the order is the study's."""
    for name in ("one", str(path.parent / "one.toml")):
        assert reported(path, name) == ["LeaveOneOut()", "ScoreFunction()"]
        assert read(path, name).description["title"] == "First"
    with pytest.raises(BadInput, match=r"study 'three': not one study .*one.toml"):
        read(path, "three")


def test_all_on_request(path: Path) -> None:
    assert set(reported(path, everything=True)) == {
        "Reparameterization()", "LeaveOneOut()", "ScoreFunction()", "Antithetic()"
    }  # fmt: skip
    assert "All studies of the store: " in read(path, everything=True).description["description"]


def test_a_store_keeps_every_description_and_file(path: Path) -> None:
    with Store(path, write=False) as store:
        one, two = store.studies()
    assert (one.title, two.title) == ("First", "Second")
    assert two == Description(two.name, "Second", "About Second.", (path.parent / "two.toml").read_text())


def test_status_is_of_one_study_too(path: Path) -> None:
    found = status.status(path)
    assert (found["done"], found["refused"], len(found["studies"])) == (1, 0, 2)
    found = status.status(path, "one")
    assert (found["done"], found["refused"]) == (1, 1)
    found = status.status(path, everything=True)
    assert found["done"] + found["refused"] == 4
