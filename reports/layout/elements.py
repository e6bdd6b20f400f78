"""What a page is made of, as plain data that the template lays out: texts, tables, figures, lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gradmark.reports.layout.axes import text_width
from gradmark.reports.layout.numbers import MOST_DIGITS, quantity
from gradmark.reports.layout.style import Look, breakable
from gradmark.reports.results.results import Entry, Results

Segment = str | dict[str, Any]
Text = Sequence[Segment]
Block = dict[str, Any]


def muted(text: str) -> Segment:
    """Text in grey."""
    return {"style": "muted", "text": text}


def strong(text: str) -> Segment:
    """Text in bold."""
    return {"style": "strong", "text": text}


def emph(text: str) -> Segment:
    """Text in italics."""
    return {"style": "emph", "text": text}


def code(text: str) -> Segment:
    """A command, in a fixed width."""
    return {"style": "code", "text": text}


def see(label: str) -> Segment:
    """A reference to a table, figure or section by its label."""
    return {"ref": label}


def math(text: str) -> Segment:
    """A formula within a line, in typst's notation."""
    return {"math": text}


NEWLINE: Segment = {"break": True}


def swatch(look: Look, shape: str = "full") -> Segment:
    """A method's mark: full, open or a cross."""
    return {"dot": look.colour, "shape": shape, "form": look.marker}


def method(entry: Entry, looks: dict[str, Look], extra: Text | None = None) -> Text:
    """A method's name behind its colour; open where its state is cold, a cross where it is not ranked."""
    shape = "cross" if entry.unranked else "open" if entry.record.cell.state == "cold" else "full"
    return [swatch(looks[entry.estimator], shape), breakable(entry.label), *(extra or [])]


def paragraph(*text: Segment) -> Block:
    """A paragraph."""
    return {"kind": "text", "text": list(text)}


def formula(text: str) -> Block:
    """A formula on a line of its own, in typst's notation."""
    return {"kind": "formula", "text": text}


def heading(level: int, text: str, label: str | None = None) -> Block:
    """A heading, numbered by the template."""
    return {"kind": "heading", "level": level, "text": breakable(text), "label": label}


def bullets(items: list[Text]) -> Block:
    """A list."""
    return {"kind": "list", "items": items}


def figure(file: str, svg: str, caption: Text, label: str, *, floating: bool = False) -> Block:
    """A figure: the name of its file, and the SVG in it; a floating one may move to the top or bottom of a page."""
    return {"kind": "figure", "file": file, "svg": svg, "caption": caption, "label": label, "float": floating}


@dataclass
class Table:
    """A table in the making: columns first, then rows, and groups that head them."""

    caption: Text
    label: str
    heads: list[dict[str, Any]] = field(default_factory=list)
    align: list[str] = field(default_factory=list)
    widths: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)

    def column(self, head: str, align: str = "left", width: str = "auto") -> None:
        """One column."""
        self.heads.append({"text": head, "span": 1, "align": align})
        self.align.append(align)
        self.widths.append(width)

    def quantity_column(self, head: str) -> None:
        """A value, and its interval beside it."""
        self.heads.append({"text": head, "span": 2, "align": "center"})
        self.align += ["right", "left"]
        self.widths += ["auto", "auto"]

    def group(self, *text: Segment) -> None:
        """A line that heads the rows after it, and is repeated where they go on on another page."""
        self.rows.append({"group": list(text)})

    def row(self, *cells: str | Text) -> None:
        """A row, a cell for each column and two for a quantity's."""
        self.rows.append({"cells": [[cell] if isinstance(cell, str) else list(cell) for cell in cells]})

    def note(self, *text: Segment) -> None:
        """A line beneath the table."""
        self.notes.append(list(text))

    def block(self) -> Block:
        """The table as a block."""
        named = ("caption", "label", "heads", "align", "widths", "rows", "notes")
        return {"kind": "table", **{name: getattr(self, name) for name in named}, "widest": self._widest()}

    def _widest(self) -> list[dict[str, Any]]:
        """For each column the row whose cell is the widest: what the template measures instead of all rows."""
        rows = [row for row in self.rows if "cells" in row]
        if not rows:
            return []
        widths = [[_width(cell) for cell in row["cells"]] for row in rows]
        return [rows[max(range(len(rows)), key=lambda i, c=c: widths[i][c])] for c in range(len(self.align))]


def _width(text: Text) -> float:
    """The widest line of a cell, in the units of the figures' texts; bold is taken to be a tenth wider."""
    lines = [0.0]
    for segment in text:
        styled = {"text": segment, "style": "plain"} if isinstance(segment, str) else segment
        if "text" in styled:
            bold = 1.1 if styled["style"] == "strong" else 1.0
            lines[-1] += bold * text_width([styled["text"].replace("\u200b", "")])
        elif "break" in styled:
            lines.append(0.0)
    return max(lines)


def ends(measured: dict[str, Any]) -> tuple[float, float, float]:
    """A quantity's value and the ends of its interval; the value again where it is withheld."""
    return (measured["value"], *(measured["ci"] or (measured["value"],) * 2))


def quantities(measured: dict[str, Any] | None, scale: float = 1.0, most: int = MOST_DIGITS) -> list[Text]:
    """A quantity as the two cells of its column."""
    if measured is None or measured["value"] is None:
        return [["–"], [""]]
    low, high = measured["ci"] or (None, None)
    scaled = (None if part is None else part * scale for part in (low, high))
    value, interval = quantity(measured["value"] * scale, *scaled, most=most)
    if measured.get("withheld"):
        return [[value], [emph(measured["withheld"])]]
    return [[value], [muted(interval)] if interval else [""]]


def where(results: Results, key: tuple[str, ...], *, with_target: bool = True) -> str:
    """What tells one comparison of a problem from the others: point and K, and what the study varies beside."""
    _, samples, at, device, dtype, seed, target = key
    every = [entry.where for entry in results.measured]
    parts = [f"{at}, K = {samples}"]
    parts += [value for value, index in ((device, 3), (dtype, 4)) if len({other[index] for other in every}) > 1]
    if len({other[5] for other in every}) > 1:
        parts.append(f"seed {seed}")
    if with_target and target != "expected cost":
        parts.append(f"target: {target}")
    return ", ".join(parts)
