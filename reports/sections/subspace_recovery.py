"""What can be recovered of a linear model's W: its span and WWᵀ by all, its columns by a q of diagonal covariance."""

from __future__ import annotations

from gradmark.benchmarks.store.records import Outcome
from gradmark.reports.layout.elements import Block, emph, formula, math, paragraph
from gradmark.reports.plots.recovery import Error, recovered

ERRORS = (
    Error("raw", "W as it comes"),
    Error("span", "span of W, radians"),
    Error("gram", "W Wᵀ"),
    Error("canonical", "W up to signs and order"),
)

FORMULA = 'p(x; W R) = N(b, W R R^top W^top + s^2 I) = p(x; W) quad "for every" R in O(k)'


def blocks(outcomes: list[Outcome], key: str) -> list[Block]:
    """The group to blame, what breaks it, and for each experiment a figure and a table."""
    found = [
        paragraph("The note asks whether θ* is unique. In probabilistic PCA it is not, and the group is known:"),
        formula(FORMULA),
        paragraph(
            "Whatever maximises the likelihood, a rotation of it does too. So the raw error of W does not fall with "
            "more data: it is decided by the start. The orthogonal group is to blame, and only what it leaves alone, "
            "the span and ",
            math("W W^top"),
            ", is found, at the rate −½. A q of full covariance follows every rotation and leaves the group whole. ",
            emph("A q of diagonal covariance does not"),
            ": its bound is tight only where ",
            math("W^top W"),
            " is diagonal, so that maximising it picks the canonical W out of the orbit. What is left is a finite "
            "group, the signs and the order of the columns. The choice is that of q, and not of the data.",
        ),
    ]
    for number, outcome in enumerate(outcomes):
        found += recovered(outcome, ERRORS, f"{key}-{number}")
    return found
