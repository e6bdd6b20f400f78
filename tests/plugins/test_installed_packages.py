"""Plug-ins that are installed: what a study may import of them, and what their entry points may add."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gradmark.benchmarks import specs
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.plugins import modules, packages
from gradmark.benchmarks.plugins.modules import Source
from tests.plugins.test_plugins import written


def installed_package(site: Path, name: str, metadata: str, points: str = "") -> None:
    """A package as an installer leaves it, with what it says about itself."""
    written(site, f"{name}/methods.py")
    (site / name / "__init__.py").write_text("")
    about = site / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}")
    (about / "top_level.txt").write_text(f"{name}\n")
    (about / "entry_points.txt").write_text(points)


def test_installed_packages_in_a_study_and_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study imports those that say that they are for gradmark; whoever types a spec may name any."""
    site = tmp_path / "site"
    installed_package(site, "ours_by_need", "Requires-Dist: gradmark (>=0.1)\n")
    installed_package(site, "ours_by_point", "", "[gradmark.estimators]\nPointed = ours_by_point.methods:Mine\n")
    installed_package(site, "not_for_us", "Requires-Dist: gradmark-like\n")
    (tmp_path / "empty").mkdir()
    monkeypatch.syspath_prepend(str(site))
    for name in ("ours_by_need", "ours_by_point"):
        with modules.using(Source(None, typed=False)):
            found = specs.estimator(f"{name}.methods.Mine(k=2)")
            assert str(found) == f"{name}.methods.Mine(k=2)"
            assert [entry["module"] for entry in modules.loaded_modules()][-1] == f"{name}.methods"
    with (
        modules.using(Source(None, typed=False)),
        pytest.raises(BadInput, match="a study imports only packages that require gradmark, and not 'not_for_us'"),
    ):
        specs.estimator("not_for_us.methods.Mine()")
    assert "not_for_us.methods" not in sys.modules
    with modules.using(Source(tmp_path / "empty")):
        assert str(specs.estimator("not_for_us.methods.Mine()")) == "not_for_us.methods.Mine()"


def test_entry_points_add_to_the_catalogue_and_replace_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = "[gradmark.estimators]\nPointed = by_point.methods:Mine\nLeaveOneOut = by_point.methods:Mine\n"
    points += "Torn = by_point.torn:Mine\nFunction = os:system\n"
    installed_package(tmp_path, "by_point", "", points)
    (tmp_path / "by_point" / "torn.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(str(tmp_path))
    for cached in (packages.listed, packages.names_of_plugins):
        cached.cache_clear()
    try:
        assert str(specs.estimator("Pointed(k=2)")) == "by_point.methods.Mine(k=2)"
        assert str(specs.estimator("LeaveOneOut()")) == "LeaveOneOut()"
        assert modules.comes_from_outside("Pointed()")
        with pytest.raises(BadInput, match=r"the plug-in Torn of by_point: importing it raised SystemExit: 3 \(torn"):
            specs.estimator("Torn()")
        with pytest.raises(BadInput, match="Function is not a class"):
            specs.estimator('Function("touch pwned")')
    finally:
        for cached in (packages.listed, packages.names_of_plugins):
            cached.cache_clear()
