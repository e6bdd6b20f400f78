"""No check rejects the catalogue on the catalogue: a sample with every estimator and every problem.

All pairs, with the checks of the mean, are tried by `make false-alarms`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import gradmark.estimators as estimators
from gradmark.benchmarks import problems
from gradmark.benchmarks.checks import SUITE, Case, EstimatorCase
from gradmark.benchmarks.checks.properties import Raised
from gradmark.benchmarks.checks.results import BROKEN
from gradmark.benchmarks.checks.runner import run_checks
from gradmark.benchmarks.problems import BernoulliToy, StepToy
from gradmark.benchmarks.trust.false_alarms import Outcome, checked, pairs, sound, table
from gradmark.estimators import LeaveOneOut, StraightThrough
from gradmark.estimators.core import Estimator
from tests.controls.wrong.score_function import OwnSampleInBaseline
from tests.covering import parametrize_cover
from tests.methods import METHODS

COUNTS = (2, 3, 4)
PATIENCE = 3600.0  # seconds, however busy the machine is


@cache
def fewest(estimator: Estimator, on: Case) -> int | None:
    """The fewest draws of a few that the estimator takes there."""
    return next((count for count in COUNTS if EstimatorCase(estimator, on, count).refusal is None), None)


def sample() -> list[tuple[Estimator, Case]]:
    """One estimator for each problem, the least used one that fits, and a case for those that are left."""
    used, found = Counter[str](), list[tuple[Estimator, Case]]()
    small = list({type(on.problem): on for on in reversed(SUITE)}.values())
    for on in small:
        fitting = [estimator for estimator in METHODS if fewest(estimator, on)]
        least = min(fitting, key=lambda estimator: used[str(estimator)])
        used[str(least)] += 1
        found.append((least, on))
    for estimator in METHODS:
        if not used[str(estimator)]:
            found.append((estimator, next(on for on in small if fewest(estimator, on))))
    return found


SAMPLE = sample()


def family(estimator: Estimator, on: Case) -> tuple[str, ...]:
    """What a plain run tries one of: `test_catalogue` has every estimator's checks of form in any run."""
    return (type(estimator).__module__.rpartition(".")[0],)


@parametrize_cover(("estimator", "on"), SAMPLE, family, cost=lambda estimator, on: 1.0 + on.problem.footprint)
def test_no_false_alarm(estimator: Estimator, on: Case) -> None:
    case = replace(on, num_samples=(fewest(estimator, on) or 1,), contract=True, mean=False)
    assert [result for result in run_checks(estimator, [case], budget=PATIENCE).checks if result.status in BROKEN] == []


def test_the_sample_has_every_estimator_and_every_problem() -> None:
    assert {type(estimator).__name__ for estimator, _ in SAMPLE} == set(estimators.__all__)
    assert {type(on.problem).__name__ for _, on in SAMPLE} == {*problems.__all__, Raised.__name__}
    assert {estimator for estimator, _ in pairs()} == {str(estimator) for estimator in METHODS}
    assert {problem.partition("(")[0] for _, problem in pairs()} == set(problems.__all__)


def test_outcomes_differ() -> None:
    found = [
        sound(StepToy()),
        checked(LeaveOneOut(), BernoulliToy(), PATIENCE),
        checked(StraightThrough(), StepToy(), PATIENCE),
        checked(OwnSampleInBaseline(), BernoulliToy(), PATIENCE),
    ]
    assert [outcome.outcome for outcome in found] == ["passed", "passed", "refused", "false alarm"]
    assert "expectation_is_exact" in found[-1].detail
    assert "| passed | 1 | 1 |" in table([*found, Outcome("A()", "B()", "not reached")])
