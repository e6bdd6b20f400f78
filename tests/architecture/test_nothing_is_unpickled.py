"""No file and no store is unpickled: a pickle is a program, and these may be anybody's."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import pickle
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.measurement.moments import Moments
from gradmark.benchmarks.store import status
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import runner
from gradmark.benchmarks.training.points import ParameterPoint

ROOT = Path(__file__).parents[2]
FILES = sorted(path for room in ("estimators", "benchmarks", "reports") for path in (ROOT / room).rglob("*.py"))
PICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
SAFE = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
UNSAFE = ("pd.read_pickle", "jsonpickle.decode", "yaml.load", "np.lib.format.read_array")
WORDS = PICKLERS | {
    name.rpartition(".")[2] for name in (*SAFE, *UNSAFE)
}  # one of them is in each module that unpickles


def faults(source: str) -> Iterator[str]:
    """What unpickles in a module: imports, and calls without the argument that forbids it."""
    for node in ast.walk(ast.parse(source)) if any(word in source for word in WORDS) else ():
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in PICKLERS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PICKLERS:
            yield node.module or ""
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            given = {each.arg: each.value for each in node.keywords}
            safe, value = SAFE.get(name, ("", None))
            constant = given.get(safe)
            if name in UNSAFE or (safe and not (isinstance(constant, ast.Constant) and constant.value is value)):
                yield name


def test_no_module_unpickles() -> None:
    found = {path.relative_to(ROOT).as_posix(): list(faults(path.read_text(encoding="utf-8"))) for path in FILES}
    assert found
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from dill import loads", "torch.load(f)", "torch.load(f, weights_only=False)", "np.load(f)"],
)
def test_a_module_that_unpickles_is_seen(source: str) -> None:
    assert list(faults(source))
    assert not list(faults("torch.load(f, weights_only=True); np.load(f, allow_pickle=False)"))


class Touch:
    """What a pickle may do: it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, (f"touch {self.path}",)


def traps(path: Path) -> list[bytes]:
    """Bytes that make the file `path` where anybody unpickles them: alone, and as an array of objects."""
    file = io.BytesIO()
    np.savez(file, loc=np.array([Touch(path)], object))
    return [pickle.dumps(Touch(path)), file.getvalue()]


def test_a_pickle_does_what_it_says(tmp_path: Path) -> None:
    pickle.loads(traps(tmp_path / "made")[0])
    assert (tmp_path / "made").exists()


def test_no_blob_of_a_store_is_unpickled(tmp_path: Path) -> None:
    """Every blob of every table in turn is a trap; whatever quantity the store then says, nothing was run."""
    made, cell = tmp_path / "made", Cell("GaussianToy()", "ScoreFunction()", at="step=1", replicates=8)
    for number, trap in enumerate(traps(made)):
        path = tmp_path / f"store{number}"
        with Store(path) as store:
            runner.run([cell], [], store)
        assert replaced(path, trap) >= 2
        for read in (lambda path=path: status.status(path), lambda path=path: reread(path, cell)):
            with contextlib.suppress(Exception):
                read()
            assert not made.exists()


def replaced(folder: Path, blob: bytes) -> int:
    """How many blobs of a store were replaced, all of them."""
    count = 0
    for file in folder.iterdir():
        with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(file)) as base, base:
            tables = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                for _, column, *_ in base.execute(f"PRAGMA table_info({table})").fetchall():
                    change = f"UPDATE {table} SET {column} = ? WHERE typeof({column}) = 'blob'"
                    count += base.execute(change, (blob,)).rowcount
    return count


def reread(path: Path, cell: Cell) -> None:
    with Store(path) as store:
        store.record(cell)
        runner.run([cell, Cell(cell.problem, "LeaveOneOut()", 2, cell.at, replicates=8)], [], store)


def test_the_readers_of_blobs_run_nothing(tmp_path: Path) -> None:
    for trap in traps(tmp_path / "made"):
        for read in (Moments.from_bytes, ParameterPoint.from_bytes):
            with pytest.raises(Exception, match=r".*"):
                read(trap)
            assert not (tmp_path / "made").exists()
