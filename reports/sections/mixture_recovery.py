"""What can be recovered of a mixture: its components, up to their order."""

from __future__ import annotations

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.elements import Block
from gradmark.reports.plots.recovery import Error, recovered

ERRORS = (Error("raw", "components as they come"), Error("matched", "components, best assignment"))
PROSE = "sections/mixture_recovery.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The symmetry, and for each experiment a figure and a table."""
    page = prose.blocks(PROSE)
    for number, outcome in enumerate(outcomes):
        page += recovered(outcome, ERRORS, f"{key}-{number}")
    return page
