"""The prose of reports: Markdown of templates as segments, with formulas and values in it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from gradmark.reports import sections
from gradmark.reports.layout import prose

PAGE = """First *paragraph*, with $x_t$
and **{name}**: {name}.

$$sum_(z in {0, 1}) z$$

* θ* is not emphasised*
* the second {name}

## figure

A caption of {name}.
"""


@pytest.fixture(autouse=True)
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.md").write_text(PAGE, "utf-8")
    monkeypatch.setattr(resources, "files", lambda name: tmp_path)
    monkeypatch.setattr(prose, "_parts", prose._parts.__wrapped__)
    return tmp_path / "templates"


def test_paragraphs_formulas_and_lists() -> None:
    text, equation, listed = prose.blocks("page.md", name="*v*")
    assert text["text"] == [
        "First ", {"style": "emph", "text": "paragraph"}, ", with ", {"math": "x_t"}, " and ",
        {"style": "strong", "text": "*v*"}, ": *v*.",
    ]  # fmt: skip
    assert equation == {"kind": "formula", "text": "sum_(z in {0, 1}) z"}
    assert listed["items"] == [["θ* is not emphasised*"], ["the second *v*"]]


def test_a_caption() -> None:
    assert prose.caption("page.md", "figure", name="v") == ["A caption of v."]


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        prose.blocks("page.md")


def test_every_section_has_its_prose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    folder = Path(sections.__file__).parent
    named = {path.stem for path in folder.glob("*.py")} - {"__init__", "plain"}
    assert {path.stem for path in (folder.parent / "templates" / "sections").glob("*.md")} == named
