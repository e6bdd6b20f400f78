"""What can be recovered of a linear model's W: its span and WWᵀ by all, its columns by a q of diagonal covariance."""

from __future__ import annotations

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout import prose
from gradmark.reports.layout.elements import Block
from gradmark.reports.plots.recovery import Error, recovered

ERRORS = (
    Error("raw", "W as it comes"),
    Error("span", "span of W, radians"),
    Error("gram", "W Wᵀ"),
    Error("canonical", "W up to signs and order"),
)
PROSE = "sections/subspace_recovery.md"


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The symmetry, what breaks it, and for each experiment a figure and a table."""
    page = prose.blocks(PROSE)
    for number, outcome in enumerate(outcomes):
        page += recovered(outcome, ERRORS, f"{key}-{number}")
    return page
