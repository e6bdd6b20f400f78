"""What can be recovered of a mixture: its components, in no order."""

from __future__ import annotations

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout.elements import Block, formula, paragraph
from gradmark.reports.plots.recovery import Error, recovered

ERRORS = (Error("raw", "components as they come"), Error("matched", "components, best assignment"))

FORMULA = 'sum_k pi_(tau(k)) p(x; theta_(tau(k))) = sum_k pi_k p(x; theta_k) quad "for every order" tau in S_K'


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The group to blame, and for each experiment a figure and a table."""
    found = [
        formula(FORMULA),
        paragraph(
            "The symmetric group is to blame: which component is the first is decided by the start. The raw error "
            "does not fall; after an optimal assignment it does. There is no direction in which the likelihood is "
            "flat, so that several isolated maxima are equally good, and others less: of several starts the one with "
            "the largest log p(x) is kept, which needs no truth. A median far below the root mean square means that "
            "some data set ended in a worse maximum, or has not arrived."
        ),
    ]
    for number, outcome in enumerate(outcomes):
        found += recovered(outcome, ERRORS, f"{key}-{number}")
    return found
