"""Ratios of work-normalised variances of two candidates, and when one is separated from the other."""

from __future__ import annotations

from gradmark.benchmarks.measurement.quantities import (
    LEVEL,
    NOTHING,
    Quantity,
    above_a_tie,
    inverse,
    product,
    ratio,
    scaled,
    widened,
)
from gradmark.benchmarks.measurement.timing_rounds import nested_ratio
from gradmark.benchmarks.recommendation.candidates import Candidate

ONE = Quantity(1.0, 0.0, (1.0, 1.0))


def ranked(candidates: list[Candidate], by: str) -> list[Candidate]:
    """Those that can be compared, the smallest work-normalised variance first; the order given breaks ties."""
    return sorted((each for each in candidates if each.incomparable(by) is None), key=lambda each: _size(each, by))


def _size(candidate: Candidate, by: str) -> float:
    value = candidate.value(by).value
    return 0.0 if candidate.noiseless or value is None else value


def ratio_of(a: Candidate, b: Candidate, by: str, level: float = LEVEL) -> Quantity:
    """The work-normalised variance of `a` over that of `b`; nothing where that of `b` is zero."""
    if a is b:
        return ONE
    if b.noiseless:
        return ONE if a.noiseless else NOTHING
    if a.noiseless:
        return Quantity(0.0, 0.0, (0.0, 0.0), level)
    variances = variance_ratio(a, b, level)
    if by == "seconds":
        rounds = min(len(a.seconds), len(b.seconds))  # of timing, which both were in
        return product(variances, nested_ratio(a.seconds[:rounds], b.seconds[:rounds], level))
    return scaled(variances, (a.forward or 0) / (b.forward or 1))


def variance_ratio(a: Candidate, b: Candidate, level: float = LEVEL) -> Quantity:
    """Total variance of `a` over that of `b`, group by group, on the blocks that both have.

    Candidates with the same number of samples see the same draws, and what their groups share cancels. Unpaired where
    an exact variance stands for either.
    """
    if a.withheld is not None or b.withheld is not None:
        return widened(product(a.variance, inverse(b.variance)), level)
    paired = a.cell.table == b.cell.table
    common = min(len(a.blocks), len(b.blocks))
    top, bottom = (each.traces(common if paired else len(each.blocks)) for each in (a, b))
    return ratio(top, bottom, level)


def separated(found: Quantity) -> bool:
    """Whether a ratio shows that the other one is better; it has no value where that one has no variance at all."""
    return found.value is None or above_a_tie(found)
