"""The gate's last step: the report of the short demo says what a report must say; status 1 names what it does not."""

from __future__ import annotations

import sys

from pypdf import PdfReader

EXPECTED = (
    "GaussianToy(k=-3.0)", "BernoulliToy()", "LinearGaussian()", "BayesianLogisticRegression()", "ScoreFunction()",
    "LeaveOneOut()", "StickingTheLanding()", "StraightThrough()", "ExactGradient()", "biased", "unbiased",
    "refused", "Exact: by a grid", "torch", "gradmark run quick", "Williams", "Kingma",
)  # fmt: skip


def main(path: str) -> int:
    """Print what is missing from the PDF's text; 0 where nothing is and no page is empty."""
    pages = [page.extract_text() for page in PdfReader(path).pages]
    text = "".join("".join(pages).split()).lower()  # a PDF breaks lines and ligatures where it likes
    missing = [phrase for phrase in EXPECTED if "".join(phrase.split()).lower() not in text]
    empty = [number for number, page in enumerate(pages, 1) if len(page) < 40]
    for phrase in missing:
        print(f"{path}: the text lacks {phrase!r}")
    for number in empty:
        print(f"{path}: page {number} is empty")
    print(f"{path}: {len(pages)} pages, {len(EXPECTED) - len(missing)} of {len(EXPECTED)} phrases found")
    return 1 if missing or empty else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
