"""Who is called the faster: seldom one of two that are the same, and the right one under a load that both bear."""

from __future__ import annotations

import numpy as np

from gradmark.benchmarks.experiments.speed.rounds import Timed
from gradmark.benchmarks.trust.rankings import apart, separated, wrong

ROUNDS = 15


def timed(seconds: np.ndarray) -> Timed:
    return Timed("made up", 10, seconds, np.ones((len(seconds), 2)))


def test_copies_are_not_separated_by_chance() -> None:
    """400 pairs that differ by noise of a tenth: .1 % are allowed by the level, and 4 or more have a chance of .001."""
    draw = np.random.default_rng(0)
    pairs = [[timed(np.exp(0.1 * draw.normal(size=ROUNDS))) for _ in range(2)] for _ in range(400)]
    assert sum(separated(a, b) or separated(b, a) for a, b in pairs) <= 3


def test_a_load_that_all_bear_in_a_round_turns_no_ranking_round() -> None:
    draw = np.random.default_rng(1)
    work = np.array([1.0, 1.2, 1.5])[:, None] * np.exp(0.02 * draw.normal(size=(3, ROUNDS)))
    load = np.exp(draw.exponential(1.0, size=ROUNDS))  # of each round, up to many times the work
    quiet, busy = [timed(row) for row in work], [timed(row * load) for row in work]
    assert wrong(quiet) == wrong(busy) == (3, 0, 0)
    assert wrong(quiet[::-1]) == (0, 3, 0)
    assert wrong([quiet[0], quiet[0]]) == (0, 0, 1)
    assert apart(quiet, busy) == 3
    assert apart(quiet, quiet) == 0


def test_a_difference_within_the_margin_is_a_tie() -> None:
    same = np.ones(ROUNDS)
    assert not separated(timed(1.04 * same), timed(same))
    assert separated(timed(1.06 * same), timed(same))
