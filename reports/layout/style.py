"""What a method looks like, everywhere in a document: its colour, marker and label depend on its text alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

# Paul Tol's muted scheme without its two palest colours, then two of his vibrant one: distinct for colour-blind
# readers, and dark enough for a line on white.
PALETTE = ("#332288", "#CC6677", "#117733", "#88CCEE", "#882255", "#44AA99", "#AA4499", "#999933", "#EE7733", "#0077BB")
MARKERS = ("o", "s", "D", "^", "v", "P")
DASHES = ((), (4, 1.5), (1.5, 1.2), (6, 1.5, 1.5, 1.5))
INK, MUTED, FAINT, RULE = "#1a1a1a", "#6b6b6b", "#b5b5b5", "#d9d9d9"

FONT = "Libertinus Serif"  # of the document; typst carries it
MEASURED = "STIXGeneral"  # matplotlib carries it: of nearly the same widths, so that it can lay out for FONT
WIDTH = 17.0 / 2.54  # inches between the margins


@dataclass(frozen=True)
class Look:
    """How one method is drawn; a second round of the palette has another marker and other dashes."""

    colour: str
    round: int = 0

    @property
    def marker(self) -> str:
        """matplotlib's name of the marker."""
        return MARKERS[self.round % len(MARKERS)]

    @property
    def dashes(self) -> tuple[float, ...]:
        """Lengths of a line's dashes and gaps; () is solid."""
        return DASHES[self.round % len(DASHES)]


def looks(names: Iterable[str]) -> dict[str, Look]:
    """A look for each method, all different; the same whatever the order of the names.

    Each name asks for the colour of its own hash, so that a method mostly keeps it from one report to the next, and
    takes the next free one where an alphabetically earlier name has it.
    """
    found: dict[str, Look] = {}
    taken: set[Look] = set()
    for name in sorted(set(names)):
        start = int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big")
        for step in range(len(found) + len(PALETTE)):
            look = Look(PALETTE[(start + step) % len(PALETTE)], len(found) // len(PALETTE))
            if look not in taken:
                found[name] = look
                taken.add(look)
                break
    return found


def label(estimator: str, state: str) -> str:
    """An estimator's text with its state, as rows and legends have it."""
    return estimator if state == "none" else f"{estimator}, {state}"


LONGEST = 24  # characters of a word that is never broken


def breakable(text: str) -> str:
    """A text whose long words may be broken, by spaces of no width."""
    return " ".join(word if len(word) <= LONGEST else _broken(word) for word in text.split(" "))


def wrapped(text: str, width: int = 44) -> str:
    """A text in lines of about `width` characters, broken where `breakable` allows."""
    lines = [""]
    for part in re.split("(?<=[ \u200b])", breakable(text)):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part.replace("\u200b", "")
    return "\n".join(line.rstrip() for line in lines)


def _broken(word: str) -> str:
    """Breaks after brackets, dots, commas, underscores and slashes, and before a capital within a name."""
    return re.sub(r"(?<=[(.,_/])(?=\w)|(?<=[a-z])(?=[A-Z])", "\u200b", word)
