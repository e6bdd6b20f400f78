"""When a cell that runs until its interval is narrow enough has enough blocks."""

from __future__ import annotations

import math

from gradmark.benchmarks.cells import MAX_BLOCKS, Cell
from gradmark.benchmarks.measurement.moments import Moments, merged
from gradmark.benchmarks.measurement.total_variance import total_variance
from gradmark.benchmarks.store.records import together

FEWEST_BLOCKS = 4  # before an interval is looked at


def narrow(cell: Cell, blocks: list[Moments]) -> bool:
    """Whether the interval of the total variance is as narrow as was asked; never for a fixed number of replicates.

    Looks are at FEWEST_BLOCKS and at each doubled number. Two in turn have to agree, the earlier one at √2 times the
    width, so that a few replicates that happen to be alike do not end the measuring.
    """
    looks, rest = divmod(len(blocks), FEWEST_BLOCKS)
    if cell.rel_ci is None or rest or looks < 1 or looks & (looks - 1):
        return False
    halves = blocks[: len(blocks) // 2]
    return half_width(cell, blocks) <= cell.rel_ci and half_width(cell, halves) <= cell.rel_ci * math.sqrt(2)


def half_width(cell: Cell, blocks: list[Moments]) -> float:
    """Half the width of the total variance's interval over its value; 0 where there is no variance, ∞ if withheld."""
    moments = merged(together(cell, blocks))
    if not moments.deviations.any():
        return 0.0
    quantity = total_variance(moments)
    if not quantity.value or quantity.ci is None:
        return math.inf
    return (quantity.ci[1] - quantity.ci[0]) / 2 / quantity.value


def wider_than_asked(cell: Cell, blocks: list[Moments]) -> str | None:
    """What to say of a cell whose blocks ended before its interval was narrow enough."""
    if cell.rel_ci is None or narrow(cell, blocks) or len(blocks) < MAX_BLOCKS:
        return None
    width = half_width(cell, blocks)
    if math.isinf(width):
        withheld = total_variance(merged(together(cell, blocks))).withheld
        return f"stopped after {MAX_BLOCKS} blocks, {withheld}; an interval within {cell.rel_ci:g} was asked"
    return (
        f"stopped after {MAX_BLOCKS} blocks with the interval at ±{width:.2g} of the value; {cell.rel_ci:g} was asked"
    )
