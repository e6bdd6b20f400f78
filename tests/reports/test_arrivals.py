"""Time to the target: who is named the first, and who must not be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gradmark.benchmarks.cells import Training
from gradmark.benchmarks.store.records import Curve
from gradmark.reports.results import arrivals
from gradmark.reports.results.ranking import WINNER_LEVEL

STEPS = list(range(0, 1001, 25))
GOAL = 1.0
SEEDS = 8
ROUNDS = 6


def run(reached, seconds=(1e-3,) * ROUNDS, name="A()"):
    """A run of which seed i crosses the target at step `reached[i]`, infinite where it never does."""
    objective = [[0.0 if step >= at else 2.0 for at in reached] for step in STEPS]
    data = {"steps": STEPS, "objective": objective, "seconds": [[second] * 5 for second in seconds]}
    return Curve(Training("Toy()", f"Adam(estimator={name})", STEPS[-1], seeds=len(reached)), "measured", None, data)


def ranked(*curves):
    found = arrivals.first([arrivals.arrival(curve, GOAL) for curve in curves])
    assert found is not None
    return found


def rounds(seconds, random, spread=0.02):
    return seconds * np.exp(spread * random.standard_normal(ROUNDS))


def test_the_target_is_reached_between_two_evaluations():
    found = arrivals.arrival(run([110.0, 0.0, np.inf]), GOAL)
    assert found.above.tolist() == [100.0, 0.0, 1000.0]
    assert found.by.tolist() == [125.0, 0.0, np.inf]
    assert found.reached == 2
    assert found.steps == 125.0
    assert found.total_seconds == pytest.approx(0.125)


def test_the_same_evaluation_is_a_tie_however_sure_the_seconds_are():
    """All seeds of both reach the target at the same evaluation, and one is 3 % faster in every round."""
    first, [(_, ratio)] = ranked(run([500.0] * 32), run([500.0] * 32, (1.03e-3,) * ROUNDS))
    assert first.steps == 500.0
    assert ratio.value == pytest.approx(1.03)
    assert not arrivals.separated(ratio)


def test_half_of_the_steps_is_first():
    random = np.random.default_rng(0)
    fast, slow = random.normal(300, 30, SEEDS), random.normal(700, 60, SEEDS)
    first, [(_, ratio)] = ranked(run(slow, rounds(1e-3, random)), run(fast, rounds(1e-3, random)))
    assert first.steps == pytest.approx(300, abs=50)
    assert arrivals.separated(ratio)
    assert ratio.ci is not None
    assert ratio.ci[0] < 700 / 300 < ratio.ci[1]


def test_half_of_the_seconds_of_a_step_is_first():
    random = np.random.default_rng(1)
    at = random.normal(600, 30, SEEDS)
    _, [(_, ratio)] = ranked(run(at, rounds(1e-3, random)), run(at, rounds(2e-3, random)))
    assert arrivals.separated(ratio)


def test_one_round_of_timing_names_no_winner():
    """The time of one process says nothing of another's; a store of an older version has a flat list of one round."""
    _, [(_, ratio)] = ranked(run([300.0] * SEEDS, (1e-3,)), run([300.0] * SEEDS, (2e-3,)))
    assert ratio.ci is None
    assert not arrivals.separated(ratio)


def test_seeds_that_do_not_arrive_are_counted():
    """Two of 32 seeds of the faster one never arrive, 30 of 32 of the other: order statistics still separate them."""
    fast, slow = [200.0] * 30 + [np.inf] * 2, [800.0] * 2 + [np.inf] * 30
    first, [(other, ratio)] = ranked(run(fast), run(slow))
    assert (first.reached, other.reached) == (30, 2)
    assert ratio.value is None
    assert arrivals.separated(ratio)


def test_one_seed_of_four_that_does_not_arrive_names_no_winner():
    _, [(_, ratio)] = ranked(run([200.0] * 3 + [np.inf]), run([900.0] * 4))
    assert not arrivals.separated(ratio)


def test_untimed_runs_are_compared_in_steps():
    random = np.random.default_rng(2)
    _, [(_, ratio)] = ranked(run(random.normal(300, 20, SEEDS), ()), run(random.normal(800, 50, SEEDS), ()))
    assert arrivals.separated(ratio)


def test_no_run_reached_the_target():
    assert arrivals.first([arrivals.arrival(run([np.inf] * 4), GOAL)]) is None


def false_winners(level, count=400):
    """How often one of two copies of a method is called the first: seeds, rounds and processes differ by chance only.

    The spacing of evaluations is left out (a step each), so that chance alone has to keep them together.
    """
    random, named = np.random.default_rng(3), 0
    for _ in range(count):
        at = np.round(random.normal(6e5, 1e5, (2, SEEDS)))
        found = [arrivals.Arrival(run([0.0]), reached - 1, reached, rounds(1e-3, random, spread=0.1)) for reached in at]
        found.sort(key=lambda each: each.total_seconds or 0.0)
        ratio = arrivals.longer(found[0], found[1], level)
        named += ratio.ci is not None and ratio.ci[0] > 1
    return named


def test_copies_of_a_method_are_hardly_ever_separated():
    """At most so many as a rate of 1 - level allows, at a false-alarm rate of .0001 of this test."""
    assert false_winners(WINNER_LEVEL) <= stats.binom.isf(1e-4, 400, 1 - WINNER_LEVEL)


def test_a_lower_level_would_separate_copies():
    """The negative control: at a level of 50 % copies are often called different, and the test above would fail."""
    assert false_winners(0.5) > stats.binom.isf(1e-4, 400, 1 - WINNER_LEVEL)
