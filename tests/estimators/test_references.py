"""The bibliography: every cited key exists, every entry is cited, and what is printed is the entry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

import gradmark.estimators
from gradmark.estimators import ScoreFunction
from gradmark.estimators.references import ENTRY, FILE, works
from gradmark.estimators.spec import Spec

ROOT = Path(__file__).parents[2]
KEY = r"[a-z]+\d{4}[a-z]?"
CITED = re.compile(rf"^ *Reference: ({KEY})(?:$| \()|\[({KEY})\]", re.MULTILINE)


def citations() -> set[str]:
    sources = [file.read_text("utf-8") for room in ("estimators", "benchmarks") for file in (ROOT / room).rglob("*.py")]
    return {first or second for source in sources for first, second in CITED.findall(source)}


def test_every_cited_key_is_an_entry_and_every_entry_is_cited() -> None:
    assert citations() == set(works())


def test_no_entry_is_written_twice_and_the_file_is_sorted() -> None:
    keys = [key for key, _ in ENTRY.findall(FILE.read_text("utf-8"))]
    assert keys == sorted(set(keys))
    assert len(keys) == FILE.read_text("utf-8").count("\n@")


@pytest.mark.parametrize("key", works())
def test_an_entry_has_title_authors_year_and_a_well_formed_link(key: str) -> None:
    work = works()[key]
    assert work.title
    assert work.authors
    assert work.year == re.sub(r"\D", "", key)
    link = r"https://(doi\.org/10\.\d{4,}/\S+|arxiv\.org/abs/(\d{4}\.\d{4,5}|[a-z-]+/\d{7})|\S+)|"
    assert re.fullmatch(link, work.link)


def test_a_class_prints_the_entry_that_its_docstring_cites() -> None:
    assert ScoreFunction.reference == (
        "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning, "
        "Ronald J. Williams, 1992, https://doi.org/10.1007/BF00992696"
    )


@pytest.mark.parametrize("name", gradmark.estimators.__all__)
def test_every_method_cites_an_entry(name: str) -> None:
    assert getattr(gradmark.estimators, name).reference in {str(work) for work in works().values()}


def test_a_remark_stands_behind_the_entry() -> None:
    @dataclass(frozen=True)
    class Mine(Spec):
        """A method of mine.

        Reference: williams1992 (section
        5).
        """

    assert Mine.reference == f"{ScoreFunction.reference} (section 5)"


def test_a_plug_in_may_cite_in_words_of_its_own() -> None:
    @dataclass(frozen=True)
    class Mine(Spec):
        """A method of mine.

        Reference: A Paper,
        Me, 2001.

        More of it.
        """

    assert Mine.reference == "A Paper, Me, 2001"
