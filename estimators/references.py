"""The bibliography `references.bib`: docstrings cite its keys, and what is printed is the entry."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("references.bib")
ENTRY = re.compile(r"^@\w+\{(\w+),\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^ *(\w+) *= *\{(.*)\},?$", re.MULTILINE)


class Work(NamedTuple):
    """One cited work; `venue` and `link` are empty where none is known."""

    title: str
    authors: str
    year: str
    venue: str
    link: str

    def __str__(self) -> str:
        return ", ".join(part for part in (self.title, self.authors, self.year, self.link) if part)


@cache
def works() -> dict[str, Work]:
    """Every entry of the bibliography by its key, in the order of the file."""
    return {key: _work(dict(FIELD.findall(fields))) for key, fields in ENTRY.findall(FILE.read_text("utf-8"))}


def printed(citation: str) -> str:
    """The entry that a citation such as `hall1992 (section 2)` names, with the remark in brackets.

    A citation that names no entry, as in a class of a plug-in, is printed as it stands.
    """
    key, _, remark = citation.partition(" ")
    work = works().get(key)
    return citation if work is None else f"{work} {remark}".rstrip()


def cited(doc: str) -> str:
    """The entry that a docstring's `Reference:` names."""
    _, _, citation = doc.partition("Reference:")
    return printed(" ".join(citation.partition("\n\n")[0].split()).removesuffix("."))


def _work(fields: dict[str, str]) -> Work:
    authors = fields["author"].replace(" and ", ", ")
    venue = fields.get("journal") or fields.get("booktitle") or fields.get("publisher", "")
    return Work(fields["title"], authors, fields["year"], venue, _link(fields))


def _link(fields: dict[str, str]) -> str:
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    if "eprint" in fields:
        return f"https://arxiv.org/abs/{fields['eprint']}"
    return fields.get("url", "")
