"""The examples of the front door, of the core and of the pages run, and print what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
MODULES = (
    "gradmark.benchmarks.checks",
    "gradmark.benchmarks.recommendation.recommend",
    "gradmark.benchmarks.studies.measure",
    "gradmark.benchmarks.studies.terminal",
    "gradmark.estimators.core",
    "gradmark.estimators.requirements.base",
    "gradmark.estimators.latent_variable_model",
    "gradmark.estimators.problem",
    "gradmark.reports.document",
    "gradmark.reports.results.results",
)
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if ">>> " in page.read_text("utf-8")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert not failed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run(page: Path) -> None:
    failed, tried = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert tried
    assert not failed


def test_the_pages_with_examples_are_found() -> None:
    assert {"index", "quadrature", "own-estimator", "own-problem"} <= {page.stem for page in PAGES}


def test_a_wrong_example_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "wrong.md"
    page.write_text(">>> 1 + 1\n3\n")
    with pytest.raises(AssertionError):
        test_the_examples_of_a_page_run(page)
    assert "Expected:\n    3" in capsys.readouterr().out
