"""Who may import what: the design's table, held over every import statement of the three rooms, lazy ones included."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("estimators", "benchmarks", "reports")
MEASURES = (
    "measures",
    "readings",
    "verdicts",
    "moments",
    "contributions",
    "tails",
    "intervals",
    "totals",
    "errors",
    "rounds",
)  # what a reading is and how it is said
DATA = (
    "gradmark.benchmarks.data",
    "gradmark.benchmarks.errors",
    "gradmark.benchmarks.shared_data",
)  # what a problem has its data from
WITHOUT_TORCH = ("store", "records", "codes", "cells", "study", "specs", *MEASURES)
MATHEMATICS = frozenset({"torch", "numpy", "scipy", "jaxtyping"})
FILES = sorted(path.relative_to(ROOT).as_posix() for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def module(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = {module(file): file for file in FILES}


def imported(file: str) -> Iterator[str]:
    """Every module that a file imports at run time; `from package import submodule` is the submodule."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    for block in [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ]:
        block.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module(file) if file.endswith("__init__.py") else module(file).rpartition(".")[0]
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base


def room(name: str) -> str:
    return name.partition(".")[0]


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def allowed(file: str, name: str) -> bool:
    """The table of the design; what is no module of ours is judged by `test_dependencies_are_declared`."""
    ours, base = room(name) in ROOMS, room(name)
    if file == "estimators/__init__.py":
        return within(name, "estimators")
    first = (
        "estimators/spec.py",
        "estimators/enumerated.py",
        "estimators/divergences.py",
        "estimators/layers.py",
        "estimators/core.py",
        "estimators/couplings.py",
        "estimators/requirements.py",
    )
    if file in first:
        below = {
            "estimators/core.py": ("spec", "enumerated", "divergences", "layers"),
            "estimators/requirements.py": ("core", "divergences"),
        }
        return base in ("torch", "jaxtyping") or name in [f"estimators.{each}" for each in below.get(file, ())]
    shared = (
        "gradmark.estimators.core",
        "gradmark.estimators.couplings",
        "gradmark.estimators.requirements",
        "gradmark.estimators.relaxed_control_variates.base",
        "gradmark.estimators.measure_valued.base",
    )
    if file in ("estimators/relaxed_control_variates/base.py", "estimators/measure_valued/base.py"):
        return name in shared[:3] or base in ("torch", "jaxtyping")
    if file.startswith("estimators/"):
        return name in shared or base in ("torch", "jaxtyping")
    if file == "benchmarks/problems/__init__.py":
        return within(name, "gradmark.benchmarks.problems", "gradmark.estimators.core")
    if file.startswith("benchmarks/problems/"):
        shared = name in MODULES and within(name, "gradmark.benchmarks.problems") and not is_catalogued(name)
        return (
            shared
            or name
            in (
                "gradmark.estimators.core",
                "gradmark.benchmarks.data",
                "gradmark.benchmarks.errors",
                "gradmark.benchmarks.shared_data",
            )
            or base in MATHEMATICS
        )
    if file == "benchmarks/trust/copies.py" and base == "reports":
        return True  # a command that counts what a report says
    if file.startswith("benchmarks/speed/"):
        return base != "reports"
    if file.startswith("benchmarks/experiments/") and not file.endswith("__init__.py"):
        ours_too = within_benchmarks(name) and not within(
            name, "gradmark.benchmarks.experiments", "gradmark.benchmarks.studies.runner"
        )
        return not ours or name in ("gradmark.estimators.core", "gradmark.estimators.spec") or ours_too
    if file.startswith("benchmarks/"):
        return (
            not ours
            or name in ("estimators", "gradmark.estimators.core", "gradmark.estimators.spec")
            or within_benchmarks(name)
        )
    if file == "reports/__main__.py":
        return name == "gradmark.benchmarks.cli.commands"
    if file.startswith("reports/sections/") and within(name, "gradmark.reports.sections"):
        return False
    kept = tuple(f"benchmarks.{each}" for each in ("store", "codes", "records", "cells", *MEASURES))
    return base == "reports" or name in kept or (not ours and base != "torch")


def within_benchmarks(name: str) -> bool:
    return within(name, "benchmarks") and not within(name, "gradmark.benchmarks.speed")


def is_catalogued(name: str) -> bool:
    """Whether a module of problems is listed in the catalogue; the others are what problems share."""
    return name in imported("benchmarks/problems/__init__.py")


@pytest.mark.parametrize("file", FILES)
def test_table_of_imports(file: str) -> None:
    outside = [name for name in imported(file) if room(name) not in sys.stdlib_module_names]
    assert [name for name in outside if not allowed(file, name)] == []


def test_the_table_can_fail() -> None:
    for file, name in (
        ("estimators/core.py", "numpy"),
        ("estimators/relaxed_control_variates/base.py", "gradmark.estimators.relaxed_control_variates.rebar"),
        ("estimators/pathwise/reparameterization.py", "gradmark.estimators.pathwise.sticking_the_landing"),
        ("estimators/score_function/leave_one_out.py", "gradmark.benchmarks.measurement.block"),
        ("benchmarks/problems/toys/gaussian_toy.py", "estimators"),
        ("benchmarks/problems/toys/gaussian_toy.py", "gradmark.benchmarks.problems.toys.bernoulli_toy"),
        ("benchmarks/studies/runner.py", "gradmark.estimators.score_function.leave_one_out"),
        ("benchmarks/studies/runner.py", "gradmark.reports.cli"),
        ("benchmarks/studies/runner.py", "gradmark.benchmarks.speed.cells"),
        ("benchmarks/experiments/decomposition.py", "estimators"),
        ("benchmarks/experiments/decomposition.py", "gradmark.benchmarks.experiments.scaling"),
        ("benchmarks/experiments/decomposition.py", "gradmark.reports.layout.axes"),
        ("reports/sections/decomposition.py", "torch"),
        ("reports/sections/decomposition.py", "gradmark.reports.sections.plain"),
        ("reports/results/frames.py", "torch"),
        ("reports/results/frames.py", "gradmark.benchmarks.studies.runner"),
    ):
        assert not allowed(file, name), (file, name)


def test_dependencies_are_declared() -> None:
    """pytest is imported by one function of the laws, for those who have it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {text.split(">")[0].split("=")[0].lower() for text in project["dependencies"]}
    sources = packages_distributions()
    for file in FILES:
        for name in imported(file):
            base = room(name)
            if (
                base in sys.stdlib_module_names
                or base in ROOMS
                or (base, file) == ("pytest", "benchmarks/checks/__init__.py")
            ):
                continue
            distributions = {each.lower() for each in sources.get(base, [])}
            assert distributions & declared, f"{file} imports {base}, which pyproject.toml does not declare"


def loaded(*modules: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after importing `modules`."""
    code = f"import sys, {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_store_and_readings_load_no_torch() -> None:
    found = loaded(*(f"benchmarks.{name}" for name in WITHOUT_TORCH))
    assert "benchmarks" in found
    assert "torch" not in found


def test_reports_load_no_torch() -> None:
    modules = [name for name in MODULES if within(name, "reports") and not name.endswith("__main__")]
    assert "torch" not in loaded(*modules)


def test_benchmarks_cost_nothing() -> None:
    assert not loaded("benchmarks") & {"torch", "numpy", "scipy", "pandas", "matplotlib", "click", "rich", "pydantic"}
