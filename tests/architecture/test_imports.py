"""Who may import what: the contracts of import-linter in pyproject.toml, and what loads without torch."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.architecture.statements import statements

ROOT = Path(__file__).parents[2]
FOLDERS = ("estimators", "benchmarks", "reports")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FILES = sorted(path.relative_to(ROOT) for folder in ("gradmark", *FOLDERS) for path in (ROOT / folder).rglob("*.py"))
WITHOUT_TORCH = (
    "gradmark",
    "gradmark.benchmarks.cells",
    "gradmark.benchmarks.cli.commands",
    "gradmark.benchmarks.specs",
    "gradmark.benchmarks.store.store",
    "gradmark.benchmarks.studies.study",
    "gradmark.benchmarks.studies.summary",
)
PLANTED = {  # a contract, and an import that breaks it
    "layers": ("benchmarks/measurement/block.py", "import gradmark.benchmarks.studies.runner"),
    "methods": ("estimators/pathwise/reparameterization.py", "import gradmark.estimators.pathwise.antithetic"),
    "problems": ("benchmarks/problems/toys/gaussian_toy.py", "import gradmark.benchmarks.problems.toys.bernoulli_toy"),
    "problems_and_methods": ("benchmarks/problems/toys/step_toy.py", "import gradmark.estimators.exact.exact_gradient"),
    "estimators": ("estimators/core.py", "import numpy"),
    "reports": ("reports/results/frames.py", "import torch"),
    "sections": ("reports/sections/decomposition.py", "import gradmark.reports.sections.plain"),
}


def linted(folder: Path) -> str:
    """What import-linter says of a copy of the package in `folder`: it does not follow the links of a checkout."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--no-cache", ROOT / "pyproject.toml"]
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, as it is installed."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "gradmark", folder / "gradmark")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / "gradmark" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_contracts_hold(copy: Path) -> None:
    assert re.search(rf"Contracts: {len(PLANTED)} kept, 0 broken", said := linted(copy)), said


def test_every_contract_can_fail(copy: Path) -> None:
    """Negative controls: each contract is broken by an import that it forbids."""
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    assert {contract["id"] for contract in contracts} == set(PLANTED)
    for file, line in PLANTED.values():
        path = copy / "gradmark" / file
        path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    said = linted(copy)
    assert [contract["name"] for contract in contracts if f"{contract['name']} BROKEN" not in said] == []


def imported(file: Path) -> Iterator[str]:
    """The top-level packages that a file imports, lazy imports included."""
    for node in statements((ROOT / file).read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def packages(name: str) -> set[str]:
    """The top-level packages that a distribution installs."""
    found = distribution(name)
    listed = (found.read_text("top_level.txt") or "").split()
    return set(listed) or {file.parts[0].partition(".")[0] for file in found.files or ()}


def test_dependencies_are_declared() -> None:
    """pytest is imported by one function of the checks, for those who have it."""
    declared = {re.split("[><=]", text)[0].lower() for text in PROJECT["project"]["dependencies"]}
    provided = {package for name in declared for package in packages(name)}
    for file in FILES:
        for base in set(imported(file)) - {"gradmark"} - sys.stdlib_module_names:
            if (base, file.as_posix()) != ("pytest", "benchmarks/checks/__init__.py"):
                assert base in provided, f"{file} imports {base}, which pyproject.toml does not declare"


def test_every_package_is_listed() -> None:
    """setuptools packs what pyproject.toml lists."""
    found = {".".join(path.parent.parts) for path in FILES if path.name == "__init__.py"} - {"gradmark"}
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert {"gradmark", *(f"gradmark.{name}" for name in found)} == set(listed)


def loaded(*groups: Sequence[str]) -> list[set[str]]:
    """The top-level packages that a fresh interpreter has loaded after importing each group of modules in turn."""
    said = "print(*{name.partition('.')[0] for name in sys.modules})"
    code = "\n".join(["import sys", *(f"import {', '.join(modules)}; {said}" for modules in groups)])
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return [set(line.split()) for line in run.stdout.splitlines()]


def test_store_quantities_and_reports_load_no_torch() -> None:
    reports = [
        f"gradmark.{'.'.join(path.with_suffix('').parts)}"
        for path in FILES
        if path.parts[0] == "reports" and path.name != "__main__.py"
    ]
    first, then = loaded(WITHOUT_TORCH, [name.removesuffix(".__init__") for name in reports])
    assert "torch" not in first
    assert "torch" not in then
    assert "matplotlib" in then  # the control


def test_the_front_door_costs_nothing() -> None:
    (found,) = loaded(["gradmark"])
    assert "gradmark" in found
    assert not found & {"torch", "numpy", "scipy", "pandas", "matplotlib", "click", "rich", "pydantic"}
