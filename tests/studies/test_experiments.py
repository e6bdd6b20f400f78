"""Experiments: from a study's text to rows in the store and a section in the report; nothing is run twice or lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pypdf import PdfReader

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Inquiry
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.experiment import plain
from gradmark.benchmarks.plugins import consent, modules
from gradmark.benchmarks.store import status
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import runner, study, terminal
from gradmark.reports import document
from tests.cases import dice

DICE = dice.__name__  # a module of its own, as every process that runs it imports it


def inquiries(*throws: int) -> list[Inquiry]:
    return [Inquiry(f"{DICE}.Throws(throws={each})", 5) for each in throws]


def test_rows_come_back_with_seed_seconds_and_what_they_ran_on(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        store.add_provenance({"commit": "abc"})
        runner.run([], [], store, inquiries=inquiries(4))
    with Store(tmp_path / "s", write=False) as store:
        [found] = store.outcomes()
    assert (found.status, found.inquiry.seed, found.facts["title"]) == ("measured", 5, "Dice")
    assert found.seconds is not None
    assert found.facts["provenance"] == {"commit": "abc"}
    assert (found.facts["experiment"], found.facts["problem"]) == ("Throws", None)
    assert found.tables == plain(dice.Throws(4).run(5))
    assert found.tables != plain(dice.Throws(4).run(6))


def test_one_failure_leaves_the_others_and_what_is_measured_is_not_run_again(tmp_path: Path) -> None:
    todo = inquiries(13, 0, 2)
    with Store(tmp_path / "s") as store:
        runner.run([], [], store, inquiries=todo)
        measured = store.outcomes()[2]
        runner.run([], [], store, inquiries=todo)
        assert store.outcomes()[2] == measured  # its seconds, too
        assert [each.status for each in store.outcomes()] == ["failed", "refused", "measured"]
        assert "RuntimeError: bad luck (dice.py:" in (store.outcomes()[0].reason or "")
    found = status.status(tmp_path / "s")
    assert (found["done"], found["refused"], found["failed"]) == (1, 1, 1)


def test_an_interrupted_run_keeps_what_was_finished(tmp_path: Path) -> None:
    def interrupted(label: str) -> None:
        if "14" in label:
            raise KeyboardInterrupt

    with Store(tmp_path / "s") as store:
        with pytest.raises(KeyboardInterrupt):
            runner.run([], [], store, runner.Progress(start=interrupted), inquiries=inquiries(2, 14, 3))
        assert [each.status for each in store.outcomes()] == ["measured", "missing", "missing"]
        runner.run([], [], store, inquiries=inquiries(2, 14, 3))  # what the experiment raises itself ends itself only
        assert [each.status for each in store.outcomes()] == ["measured", "failed", "measured"]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study may name what is loaded already, as the command line may: here this file."""
    monkeypatch.setattr(consent, "CLOSED", modules.Source(None))


@pytest.mark.usefixtures("typed")
def test_a_study_file_runs_and_its_report_has_a_section(tmp_path: Path) -> None:
    file = tmp_path / "dice.toml"
    file.write_text(f'title = "t"\nseed = 7\nexperiments = ["{DICE}.Throws( throws = 60 )"]\n')
    assert terminal.run(str(file), tmp_path / "s", None) == 0
    document.write(tmp_path / "s", tmp_path / "r.pdf")
    said = " ".join(" ".join(page.extract_text().split()) for page in PdfReader(tmp_path / "r.pdf").pages)
    for part in ("Dice", "pips", "3.50 [3.30, 3.70]", "The first 40 of 60 rows", "1 experiment"):
        assert part in said, part


@pytest.mark.usefixtures("typed")
def test_a_study_includes_published_ones_with_their_seeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, text in {
        "a": f'title = "a"\nseed = 1\nexperiments = ["{DICE}.Throws()"]\n',
        "b": f'title = "b"\nseed = 2\nexperiments = ["{DICE}.Throws()", "{DICE}.Throws(throws=9)"]\n',
        "all": 'title = "all"\ninclude = ["a", "b"]\n',
    }.items():
        (tmp_path / f"{name}.toml").write_text(text)
    monkeypatch.setattr(study, "shipped", lambda: {path.stem: path for path in sorted(tmp_path.iterdir())})
    found = study.load("all").inquiries()
    assert [(each.experiment.rpartition(".")[2], each.seed) for each in found] == [
        ("Throws()", 1), ("Throws()", 2), ("Throws(throws=9)", 2),
    ]  # fmt: skip
    with pytest.raises(BadInput, match=r"x: include\[0\]: no published .* 'frog'; published are a, all, b"):
        study.parse('title = "x"\ninclude = ["frog"]', "x")
    with pytest.raises(BadInput, match="'all' includes others itself"):
        study.parse('title = "x"\ninclude = ["all"]', "x")


def test_rows_are_plain_data() -> None:
    assert plain({"a": [{"x": float("nan"), "y": (1, "z", True)}]}) == {"a": [{"x": None, "y": [1, "z", True]}]}
    with pytest.raises(TypeError, match=r"array.*use float"):
        plain({"a": [{"x": np.zeros(2)}]})


def test_what_is_no_experiment_is_said() -> None:
    with pytest.raises(BadInput, match="LeaveOneOut is not a subclass of Experiment; `gradmark list experiments`"):
        specs.experiment("LeaveOneOut()")
    with pytest.raises(BadInput, match="no experiment is called Frog"):
        specs.experiment("Frog()")


def test_every_experiment_is_built_from_its_name_and_has_a_section() -> None:
    from gradmark.reports import sections

    for name, cls in specs.catalogue("experiment").items():
        assert str(specs.experiment(f"{name}()")) == f"{name}()"
        assert cls.title
        assert sections.section(name).__name__ != "gradmark.reports.sections.plain", name


def test_every_published_study_of_the_note_is_in_the_note() -> None:
    plans = study.published()
    asked = {text for name, plan in plans.items() if name not in ("note", "speed") for text in plan.experiments}
    assert {each.experiment for each in plans["note"].inquiries()} == asked
