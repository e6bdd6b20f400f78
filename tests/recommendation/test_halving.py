"""How often the rounds drop a candidate by mistake, and that they drop one that is worse."""

from __future__ import annotations

import numpy as np
import pytest

from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.measurement.quantities import MARGIN, Quantity, ratio
from gradmark.benchmarks.recommendation.comparison import separated
from gradmark.benchmarks.recommendation.halving import ERROR, ROUNDS, Race

GROUPS = [replicates // 16 for replicates in ROUNDS]  # 16 replicates make a group in a block of 128
RACES = 150


def drops(values: tuple[float, ...], generator: np.random.Generator) -> list[tuple[int, int]]:
    """Who is dropped on whose account in one race of candidates with these work-normalised variances.

    A group's trace is the mean of 16 squared norms, each a square of a normal number: as skewed as that of a gradient
    with one coordinate.
    """
    traces = [value * generator.chisquare(16, GROUPS[3]) / 16 for value in values]
    race = Race("evaluations", [Cell("p", "e")], cells=len(values))
    alive, found = list(range(len(values))), []
    for groups in GROUPS[:4]:
        leader = min(alive, key=lambda each: traces[each][:groups].mean())
        lost = [c for c in alive if separated(ratio(traces[c][:groups], traces[leader][:groups], race.level))]
        found += [(each, leader) for each in lost]
        alive = [each for each in alive if each not in lost]
    return found


def test_equal_candidates_are_dropped_in_few_races() -> None:
    """At most ERROR of the races drop any; three standard errors above that have a false-alarm rate below 1 %."""
    generator = np.random.default_rng(0)
    mistakes = sum(bool(drops((1.0, 1.0, 1.0), generator)) for _ in range(RACES))
    assert mistakes <= RACES * ERROR + 3 * (RACES * ERROR * (1 - ERROR)) ** 0.5


def test_the_better_one_is_never_dropped_and_the_worse_one_is() -> None:
    """A ratio of 1.5 is seen at 512 groups with a probability above 99 %."""
    generator = np.random.default_rng(1)
    found = [drops((1.5, 1.0), generator) for _ in range(20)]
    assert found == [[(0, 1)]] * 20


def test_the_level_counts_every_pair_both_ways_in_every_round() -> None:
    race = Race("evaluations", [], cells=4)
    assert race.tests == 4 * 3 * len(ROUNDS)
    assert race.level == pytest.approx(1 - 2 * ERROR / race.tests)


@pytest.mark.parametrize(
    ("found", "apart"),
    [
        (Quantity(1.2, 0.05, (1.05, 1.4)), True),
        (Quantity(1.2, 0.2, (0.9, 1.6)), False),
        (Quantity(1.2, 0.05, None, withheld="too few"), False),
        (Quantity((1 + MARGIN) / 2, 0.0, (1.001, 1.006)), False),
        (Quantity(None), True),
    ],
    ids=["above", "includes 1", "withheld", "a tie", "the other has no variance"],
)
def test_only_an_interval_above_one_separates(found: Quantity, apart: bool) -> None:
    assert separated(found) is apart
