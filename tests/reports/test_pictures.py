"""Figures as images: of a store with experiments, and of none."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gradmark.benchmarks.errors import BadInput
from gradmark.reports.cli import figures
from gradmark.reports.markdown import pictures


def test_every_figure_of_training_is_an_image(made: Path, tmp_path: Path) -> None:
    outcome = CliRunner().invoke(figures, [str(made), str(tmp_path)], catch_exceptions=False)
    found = sorted(path.name for path in tmp_path.iterdir())
    assert [Path(line).name for line in sorted(outcome.output.split())] == found
    assert found
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in found)


def test_a_folder_that_is_not_there(made: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="make it"):
        pictures(made, tmp_path / "none")
