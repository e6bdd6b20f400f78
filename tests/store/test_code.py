"""Stale code: what other code measured is never merged with what this one measures; it is kept aside and named."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from gradmark.benchmarks.cells import Cell, Inquiry, Training
from gradmark.benchmarks.plugins import class_files, modules
from gradmark.benchmarks.store import status
from gradmark.benchmarks.store.codes import Code, changes
from gradmark.benchmarks.store.records import Description
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import digests, runner, terminal
from gradmark.benchmarks.studies.progress import Progress
from gradmark.reports.results import codes
from gradmark.reports.results.results import read

MINE = """
from dataclasses import dataclass
from gradmark.estimators import ScoreFunction
from factor import FACTOR

@dataclass(frozen=True)
class Mine(ScoreFunction):
    def estimate(self, problem, params, state, num_samples):
        found = super().estimate(problem, params, state, num_samples)
        return type(found)({name: FACTOR * value for name, value in found.gradient.items()}, found.state)
"""
TABLE = """
from dataclasses import dataclass
from pathlib import Path
import torch
from torch.distributions import Independent, Normal
from gradmark.estimators.core import Problem

@dataclass(frozen=True)
class Table(Problem):
    file: str = ""

    def init(self):
        return {"loc": torch.zeros(1, dtype=torch.float64)}

    def distribution(self, params):
        return Independent(Normal(params["loc"], torch.ones_like(params["loc"]), validate_args=False), 1)

    def cost(self, params, z, q):
        path = Path(self.file) if self.file else Path(__file__).parent / "inside.csv"
        return ((z - float(path.read_text())) ** 2).sum(-1)
"""
PLAIN = Cell("GaussianToy()", "ScoreFunction()", replicates=4096)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with plug-ins and data."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "factor.py").write_text("FACTOR = 1.0\n")
    (tmp_path / "table.py").write_text(TABLE)
    (tmp_path / "given.csv").write_text("1.0")
    (tmp_path / "inside.csv").write_text("1.0")
    return tmp_path


def run(folder: Path, *cells: Cell) -> tuple[list[str], Store]:
    """Run these cells into the folder's store as a new process would; what it said, and the store, closed."""
    importlib.invalidate_caches()
    notes: list[str] = []
    with modules.using(modules.Source(folder)), Store(folder / "s") as store:
        runner.run(list(cells), [], store, Progress(note=notes.append), study=Description("s", "A study"))
    return notes, store


def variances(folder: Path) -> list[float]:
    return [entry.summary["total_variance"]["value"] for entry in read(folder / "s").measured]


def mine(replicates: int = 4096) -> Cell:
    return Cell("GaussianToy()", "mine.Mine()", replicates=replicates)


@pytest.mark.parametrize("name", ["mine.py", "factor.py"])
def test_an_edited_plug_in_is_measured_again_and_the_old_number_kept(folder: Path, name: str) -> None:
    assert run(folder, PLAIN, mine())[0] == []
    assert run(folder, PLAIN, mine())[0] == []
    [plain, before] = variances(folder)
    edited = MINE.replace("FACTOR *", "3 *") if name == "mine.py" else "FACTOR = 3.00\n"
    (folder / name).write_text(edited)
    notes, _ = run(folder, PLAIN, mine())
    assert notes == [
        f"1 cell was measured with other code ({name} changed); it is measured again, and the old one is kept aside"
    ]
    assert variances(folder) == pytest.approx([plain, 9 * before], rel=1e-12)
    with Store(folder / "s", write=False) as store:
        [old] = store.old_records()
    assert old.moments.traces[:, 0].mean() == before
    assert run(folder, PLAIN, mine())[0] == []


def test_more_replicates_of_an_edited_plug_in_are_not_merged_with_the_old(folder: Path) -> None:
    run(folder, mine())
    before = variances(folder)[0]
    (folder / "factor.py").write_text("FACTOR = 3.00\n")
    run(folder, mine(8192))
    with Store(folder / "s", write=False) as store:
        [record], [old] = store.records(), store.old_records()
    assert (len(record.blocks), len(old.blocks)) == (2, 1)
    assert record.blocks[0].traces[:, 0].mean() == pytest.approx(9 * before, rel=1e-12)


@pytest.mark.parametrize(("field", "file"), [('file="{}/given.csv"', "given.csv"), ("", "inside.csv")])
def test_data_behind_a_problem(folder: Path, field: str, file: str) -> None:
    cell = Cell(f"table.Table({field.format(folder)})", "ScoreFunction()", replicates=64)
    assert run(folder, cell)[0] == []
    (folder / file).write_text("2.0")
    notes, _ = run(folder, cell)
    assert len(notes) == 1
    assert f"{file} changed" in notes[0]


def test_another_version_is_never_merged_and_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(folder, PLAIN)
    monkeypatch.setattr(digests, "_version", lambda name: "9.9")
    more = Cell("GaussianToy()", "ScoreFunction()", replicates=8192)
    other = Cell("GaussianToy()", "Reparameterization()", replicates=4096)
    notes, _ = run(folder, other)  # the first one stays as it was, and both are reported together
    assert notes == []
    said = str(codes.blocks(read(folder / "s", everything=True)))
    assert "Not all numbers were made with the same versions" in said
    assert "gradmark 9.9" in said
    notes, _ = run(folder, more, other)
    assert "is now 9.9" in notes[0]
    with Store(folder / "s", write=False) as store:
        assert [len(record.blocks) for record in (*store.records(), *store.old_records())] == [2, 1, 1]
    assert codes.blocks(read(folder / "s", everything=True)) == []


def test_an_interrupted_second_measurement_goes_on_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(folder, mine(12288))
    (folder / "factor.py").write_text("FACTOR = 3.00\n")
    whole, calls = Store.add_block, []  # a plug-in is measured in a process of its own; its blocks come back here

    def interrupted(*given: object) -> None:
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        whole(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "add_block", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(folder, mine(12288))
    assert run(folder, mine(12288))[0] == []
    assert len(calls) == 4
    with Store(folder / "s", write=False) as store:
        [record], [old] = store.records(), store.old_records()
    np.testing.assert_allclose([b.mean for b in record.blocks], [3 * b.mean for b in old.blocks], rtol=1e-12)


def test_a_parameter_point_is_found_anew_with_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Cell("LinearGaussian(rows=4)", "ScoreFunction()", at="step=3", replicates=64)
    run(tmp_path, cell)
    monkeypatch.setattr(digests, "_version", lambda name: "9.9")
    run(tmp_path, cell)
    with Store(tmp_path / "s", write=False) as store:
        assert store.rows.execute("SELECT count(*) FROM aside_points") == [(1,)]


def test_training_runs_and_experiments_are_kept_aside_too(tmp_path: Path) -> None:
    training = Training("GaussianToy()", "Adam(estimator=Reparameterization())", 2, evaluations=2)
    inquiry, old, new = Inquiry("AnExperiment()"), Code("1", "2", {"a.py": "x"}), Code("1", "2", {"a.py": "y"})
    with Store(tmp_path / "s") as store:
        store.plan([], [training], [inquiry], {training: old, inquiry: old})
        store.finish_training(training, "measured", None, {"steps": [1]})
        store.finish_inquiry(inquiry, "measured", tables={"rows": []})
        notes = store.plan([], [training], [inquiry], {training: new, inquiry: new})
        assert [curve.data for curve in (*store.curves(), *store.old_curves())] == [None, {"steps": [1]}]
        assert [each.tables for each in (*store.outcomes(), *store.old_outcomes())] == [None, {"rows": []}]
    assert ["a.py changed" in note for note in notes] == [True, True]


def test_what_does_not_count(tmp_path: Path) -> None:
    """Comments, docstrings and blank lines; any other edit does."""
    path, text = tmp_path / "a.py", '"""Doc."""\n\n\ndef f():\n    """More."""\n    return 1\n'
    found = []
    for edited in (
        text,
        text.replace("More", "Much more"),
        "# why\n" + text,
        text.replace("1", "2"),
        text + 'x = """\n# 1"""\n',
    ):
        path.write_text(edited)
        class_files._kept.clear()
        found.append(class_files.read(path, "a").digest)
    assert found[0] == found[1] == found[2]
    assert len(set(found)) == 3


def test_a_cell_depends_on_its_own_methods_and_the_measuring_and_on_no_other() -> None:
    [code] = digests.of_study([PLAIN], [], []).values()
    names = set(code.files)
    for part in (
        "estimators/score_function/score_function",
        "benchmarks/problems/toys/gaussian_toy",
        "benchmarks/measurement/block",
    ):
        assert f"{part}.py" in names
    assert not any("leave_one_out" in name or "__init__" in name for name in names)
    [nested] = digests.of_study(
        [Cell("Minibatch(problem=GaussianVAE(rows=16), size=4)", "ScoreFunction()")], [], []
    ).values()
    assert {"benchmarks/problems/autoencoders/gaussian_vae.py", "benchmarks/problems/minibatch.py"} < set(nested.files)
    assert any(name.startswith("data ") for name in nested.files)


def test_what_changed_is_named() -> None:
    old, new = Code("1", "2.6", {"mine.py": "a", "estimators/core.py": "b"}), Code("1", "2.7", {"mine.py": "c"})
    assert changes(old, new) == "torch 2.6 is now 2.7, mine.py changed"
    assert changes(Code("1", "2", {"estimators/core.py": "b"}), Code("1", "2")) == "estimators/core.py changed"
    assert changes(None, new) == "its code was not recorded"


def test_the_command_says_it_and_the_report_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "s.toml"
    cell = 'problems = ["GaussianToy()"]\nestimators = ["ScoreFunction()"]\nreplicates = 64\n'
    study.write_text(f'title = "t"\n[[variance]]\n{cell}')
    terminal.run(str(study), tmp_path / "s", None, processes=0)
    monkeypatch.setattr(digests, "_version", lambda name: "9.9")
    terminal.run(str(study), tmp_path / "s", None, processes=0)
    assert "1 cell was measured with other code (gradmark 0.1.0 is now 9.9)" in capsys.readouterr().out
    old = read(tmp_path / "s", keep_old=True)
    assert "old: ScoreFunction()" in str(codes.aside(old)).replace("\u200b", "")
    assert codes.aside(read(tmp_path / "s")) == []
    [entry] = status.status(tmp_path / "s")["old"]
    assert "ScoreFunction()" in entry["what"]
    assert entry["reason"] == "gradmark 0.1.0 is now 9.9"
