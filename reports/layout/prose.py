"""Prose of a page, from a Markdown file in `templates/`: paragraphs and captions, with formulas and numbers in them.

The text is what stands before the first heading, and a heading `## figure` begins a caption. `$…$` is a formula in
typst's notation, `$$…$$` one on a line of its own, `*…*` is in italics, `**…**` in bold, and `{name}` a value.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from gradmark.reports.layout.elements import Block, Segment, Text, bullets, emph, formula, math, paragraph, strong

VALUE = re.compile(r"\{([a-z_]+)\}")
MARKUP = re.compile(r"\$([^$]+)\$|\*\*(.+?)\*\*|(?<!\w)\*(.+?)\*(?!\w)")


def blocks(file: str, **values: object) -> list[Block]:
    """The text of a file in `templates/`, without its headed parts."""
    page: list[Block] = []
    for part in _paragraphs(_parts(file)[""]):
        if part.startswith("$$"):
            page.append(formula(part.strip("$").strip()))
        elif part.startswith("* "):
            page.append(bullets([_segments(item, values) for item in part.removeprefix("* ").split(" * ")]))
        else:
            page.append(paragraph(*_segments(part, values)))
    return page


def caption(file: str, heading: str, **values: object) -> Text:
    """The paragraph of a file in `templates/` under a heading."""
    return _segments(" ".join(_paragraphs(_parts(file)[heading])), values)


@cache
def _parts(file: str) -> dict[str, str]:
    text = (resources.files("gradmark.reports") / "templates" / file).read_text("utf-8")
    pieces = re.split(r"^## (\w+)$", text, flags=re.MULTILINE)
    return {"": pieces[0]} | dict(zip(pieces[1::2], pieces[2::2], strict=True))


def _paragraphs(text: str) -> list[str]:
    """Paragraphs without line ends; the items of a list are one."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def _segments(text: str, values: dict[str, object]) -> list[Segment]:
    """Markup is read before values are filled in, so that a value is never taken for markup."""
    segments: list[Segment] = []
    end = 0
    for match in MARKUP.finditer(text):
        segments += _filled(text[end : match.start()], values)
        inside, bold, italic = match.groups()
        segments.append(
            math(inside) if inside else strong(_fill(bold, values)) if bold else emph(_fill(italic, values))
        )
        end = match.end()
    return segments + _filled(text[end:], values)


def _filled(text: str, values: dict[str, object]) -> list[Segment]:
    return [_fill(text, values)] if text else []


def _fill(text: str, values: dict[str, object]) -> str:
    return VALUE.sub(lambda match: str(values[match[1]]), text)
