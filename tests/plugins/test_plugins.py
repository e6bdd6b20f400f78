"""Plug-ins: from where code is loaded, that it hides nothing, that its text reads back, and what was loaded."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradmark.benchmarks import specs
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.plugins import folder as plugin_folder
from gradmark.benchmarks.plugins import modules
from gradmark.benchmarks.plugins.modules import Source

MINE = """
from dataclasses import dataclass
from gradmark.estimators import ScoreFunction
from gradmark.estimators.core import SurrogateEstimator
{imports}
@dataclass(frozen=True)
class Mine(ScoreFunction):
    k: int = {k}
    label: str = ""

class Plain(ScoreFunction):
    pass

@dataclass
class Thawed(SurrogateEstimator):
    k: int = 1

    def surrogate(self, problem, params, state, num_samples):
        raise AssertionError("it was called")

def factory():
    raise AssertionError("a function was called")

class NoSpec:
    def __init__(self):
        raise AssertionError("a class that is not a spec was called")
"""


def written(folder: Path, name: str, k: int = 1, imports: str = "") -> Path:
    """A file with a plug-in."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(MINE.format(k=k, imports=imports))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of plug-ins in use; what was loaded from it is forgotten."""
    before, path = set(sys.modules), list(sys.path)
    with modules.using(Source(tmp_path)):
        yield tmp_path
    assert sys.path == path
    left = [
        name for name in set(sys.modules) - before if str(tmp_path) in str(getattr(sys.modules[name], "__file__", ""))
    ]
    assert left == []


def test_a_module_of_the_folder(folder: Path) -> None:
    written(folder, "mine_for_specs.py")
    found = specs.estimator("mine_for_specs.Mine(k=3)")
    assert str(found) == "mine_for_specs.Mine(k=3)"
    assert specs.estimator(str(found)) == found


@pytest.mark.parametrize("name", ["mine_b.py", "mine_sub/deep/mine_c.py"])
def test_a_file_in_the_folder_is_its_module(folder: Path, name: str) -> None:
    written(folder, name)
    by_file = specs.estimator(f"{name}:Mine(k=3)")
    by_name = specs.estimator(f"{name.removesuffix('.py').replace('/', '.')}.Mine(k=3)")
    assert by_file == by_name
    assert str(by_file) == str(by_name)
    assert specs.estimator(str(by_file)) == by_file


@pytest.mark.parametrize("name", ["torch.py", "random.py", "benchmarks.py", "my-own.py", "a b/c (1).py", 'quo"te.py'])
def test_a_file_whose_name_is_not_free_prints_as_a_file(folder: Path, name: str) -> None:
    file = written(folder, name)
    kept = {each: sys.modules.get(each) for each in ("torch", "random", "benchmarks")}
    text = '"' + name.replace('"', '\\"') + '":Mine(k=3)'
    found = specs.estimator(text)
    assert str(found).endswith(":Mine(k=3)")
    assert specs.estimator(str(found)) == found
    adam = specs.solver(f"Adam(estimator={text}, rate=0.5)")
    assert specs.solver(str(adam)) == adam
    assert {each: sys.modules.get(each) for each in kept} == kept
    assert modules.source_files(type(found)) == [file.resolve()]


def test_a_file_elsewhere_with_what_it_imports(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    written(other, "beside_it.py", k=7)
    file = written(other, "elsewhere.py", imports="from beside_it import Mine as Beside")
    found = specs.estimator(f"{file}:Mine(k=3)")
    beside = specs.estimator(f"{file}:Beside(k=3)")
    assert str(found) == f"{file}:Mine(k=3)"
    assert str(beside) == f"{other / 'beside_it.py'}:Mine(k=3)"
    for each in (found, beside):
        assert specs.estimator(str(each)) == each
    assert set(modules.source_files(type(found))) == {file, other / "beside_it.py"}


def test_packages_with_relative_and_sibling_imports(folder: Path) -> None:
    written(folder, "mine_pack/base.py")
    (folder / "mine_pack/__init__.py").write_text("from mine_beside import THREE\nfrom .base import Mine\n")
    (folder / "mine_beside.py").write_text("THREE = 3\n")
    written(folder, "mine_pack/sub/__init__.py", imports="from ..base import Plain as Other\nfrom . import leaf")
    (folder / "mine_pack/sub/leaf.py").write_text("")
    assert str(specs.estimator("mine_pack.Mine()")) == "mine_pack.base.Mine()"
    found = specs.estimator("mine_pack.sub.Mine()")
    assert specs.estimator("mine_pack/sub/__init__.py:Mine()") == found
    names = {path.relative_to(folder).as_posix() for path in modules.source_files(type(found))}
    assert names == {"mine_pack/__init__.py", "mine_pack/base.py", "mine_beside.py", "mine_pack/sub/__init__.py",
                     "mine_pack/sub/leaf.py"}  # fmt: skip
    loaded = {entry["module"]: entry for entry in modules.loaded_modules()}
    assert set(loaded) == {"mine_pack", "mine_pack.base", "mine_pack.sub", "mine_pack.sub.leaf", "mine_beside"}
    assert loaded["mine_beside"]["sha256"] == hashlib.sha256(b"THREE = 3\n").hexdigest()


def test_the_folder_hides_nothing(folder: Path) -> None:
    for name in ("torch", "yaml_of_nobody", "gradmark"):
        written(folder, f"{name}.py")
    with pytest.raises(BadInput, match=r"'torch' is in .* and is an installed package, too; write torch\.py:Mine\(\)"):
        specs.estimator("torch.Mine()")
    with pytest.raises(BadInput, match=r"'gradmark' is in .* installed"):
        specs.estimator("gradmark.Mine()")
    assert str(specs.estimator("yaml_of_nobody.Mine()")) == "yaml_of_nobody.Mine()"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("NoSpec", "is not a subclass of Estimator"),
        ("factory", "is not a class"),
        ("Thawed", "is not a frozen dataclass"),
        ("dataclass", "is not a class"),
        ("Nothing", "has no 'Nothing'"),
        ("Mine.estimate", "is not a class"),
        ("Mine.__class__", "is not a class"),
        ("Mine.k.real", "has no 'Mine.k.real'"),
    ],
)
def test_what_is_not_a_spec_is_not_called(folder: Path, name: str, part: str) -> None:
    written(folder, "mine_for_specs.py")
    for text in (f"mine_for_specs.{name}()", f"mine_for_specs.py:{name}()"):
        with pytest.raises(BadInput, match=part):
            specs.estimator(text)


def test_a_lazy_module_runs_no_code_when_it_is_asked(folder: Path) -> None:
    (folder / "mine_lazy.py").write_text("def __getattr__(name):\n    raise SystemExit(name)\n")
    with pytest.raises(BadInput, match="has no 'Mine'"):
        specs.estimator("mine_lazy.Mine()")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def broken(:", "SyntaxError"),
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise BaseException('x' * 10000)", "BaseException"),
        ("raise ValueError('\\ud800 a\\nb')", "ValueError"),
        ("def f(): f()\nf()", "RecursionError"),
        ("class E(Exception):\n    def __str__(self): raise E\nraise E", "E: "),
        ("raise GeneratorExit", "GeneratorExit"),
        ("\0", ""),
        ("# -*- coding: nonsense -*-", "SyntaxError"),
    ],
)
def test_an_import_that_raises_is_one_line(folder: Path, code: str, said: str) -> None:
    (folder / "mine_torn.py").write_text(code)
    for text in ("mine_torn.X()", "mine_torn.py:X()", "Minibatch(problem=mine_torn.X(), size=1)"):
        with pytest.raises(BadInput) as caught:
            specs.problem(text)
        line = str(caught.value)
        assert said in line
        assert len(line.splitlines()) == 1
        assert len(line) < 300
    assert "mine_torn" not in sys.modules


@pytest.mark.parametrize(
    "body",
    [
        "    def __post_init__(self): raise SystemExit",
        "    def validate(self): raise KeyboardInterrupt",
        "    def __new__(cls): return 1 / 0",
        "    k: NoSuchName = 1",
        "    k: dict = None",
        "    k: 'list[int]' = ()",
    ],
)
def test_a_class_that_raises_is_one_line(folder: Path, body: str) -> None:
    imports = "from dataclasses import dataclass\nfrom gradmark.estimators import ScoreFunction\n"
    head = f"{imports}@dataclass(frozen=True)\nclass X"
    (folder / "mine_raising.py").write_text(f"from __future__ import annotations\n{head}(ScoreFunction):\n{body}\n")
    with pytest.raises(BadInput) as caught:
        specs.estimator("mine_raising.X()")
    assert len(str(caught.value).splitlines()) == 1


def test_a_study_loads_from_its_folder_only(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = written(tmp_path_factory.mktemp("other"), "mine_away.py")
    written(tmp_path, "mine_here.py")
    (tmp_path / "mine_link.py").symlink_to(outside)
    with modules.using(Source(tmp_path, typed=False)):
        assert str(specs.estimator("mine_here.Mine()")) == "mine_here.Mine()"
        for text in (f"{outside}:Mine()", "mine_link.py:Mine()"):
            with pytest.raises(BadInput, match="is not in the study's folder of plug-ins"):
                specs.estimator(text)
        with pytest.raises(BadInput, match="a study imports only packages that require gradmark, and not 'torch'"):
            specs.estimator("torch.nn.Linear(1, 2)")
    with modules.using(Source(None, typed=False)):
        for text in ("mine_here.Mine()", "mine_here.py:Mine()", f"{outside}:Mine()"):
            with pytest.raises(BadInput):
                specs.estimator(text)
        assert str(specs.estimator("LeaveOneOut()")) == "LeaveOneOut()"


def test_two_folders_with_the_same_name(tmp_path: Path) -> None:
    for number in (1, 2):
        written(tmp_path / str(number), "mine_twice.py", k=number)
        with modules.using(Source(tmp_path / str(number))):
            assert vars(specs.estimator("mine_twice.Mine()"))["k"] == number
            with modules.using(Source(None, typed=False)):  # as when a study includes a published one
                specs.estimator("LeaveOneOut()")
            assert "mine_twice" in sys.modules


def test_the_current_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        written(tmp_path / str(number), "mine_current.py", k=number)
        monkeypatch.chdir(tmp_path / str(number))
        assert vars(specs.estimator("mine_current.Mine()"))["k"] == number
    plugin_folder.forget(plugin_folder.loaded())


def test_what_was_loaded_is_reported_once(tmp_path: Path) -> None:
    said: list[str] = []
    file = written(tmp_path, "mine_reported.py")
    with modules.using(Source(tmp_path, tell=said.append)):
        for _ in range(2):
            specs.estimator("mine_reported.Mine()")
            specs.problem("GaussianToy()")
    assert said == [f"plug-in mine_reported from {file}"]


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        ("LeaveOneOut()", False),
        ("Minibatch(problem=GaussianVAE(latents=2), size=3)", False),
        ("gradmark.estimators.core.Estimator()", False),
        ("mine_out.Mine()", True),
        ("a/b.py:Mine()", True),
        ("Adam(estimator=mine_out.Mine())", True),
        ("Adam(estimator=LeaveOneOut(), rate=(1, mine_out.Mine()))", True),
        ('GaussianVAE(data="a.py:X()")', False),
    ],
)
def test_comes_from_outside(text: str, outside: bool) -> None:
    """A text is only read: nothing of these is there."""
    assert modules.comes_from_outside(text) is outside


def test_objects_that_come_from_outside(folder: Path) -> None:
    written(folder, "mine_out.py")
    assert modules.comes_from_outside(specs.solver("Adam(estimator=mine_out.Mine())"))
    assert modules.comes_from_outside(type(specs.estimator("mine_out.Mine()")))
    assert not modules.comes_from_outside(specs.solver("Adam(estimator=LeaveOneOut())"))
    assert modules.source_files(type(specs.estimator("LeaveOneOut()"))) == []
