"""The suite of cases holds outcomes of probability .003 and 1e-6, and its checks are exact relative to them."""

from __future__ import annotations

import pytest

from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.cases import cases_of
from gradmark.benchmarks.checks.exact_moments import expectation_is_exact
from gradmark.benchmarks.checks.suite import SUITE
from gradmark.benchmarks.problems import BernoulliToy, CategoricalToy
from gradmark.estimators import ARM, LeaveOneOut, ScoreFunction
from gradmark.estimators.core import Estimator
from tests.controls.wrong import rare_outcomes

RARE = [
    suite_case
    for suite_case in SUITE
    if isinstance(toy := suite_case.problem, BernoulliToy | CategoricalToy) and min(toy.probs) < 0.01
]


def found(estimator: Estimator) -> list[str]:
    """What the exact check of the mean says on all cases of rare outcomes."""
    return [expectation_is_exact(case).status for suite_case in RARE for case in cases_of(estimator, suite_case)]


@pytest.mark.each_once
@pytest.mark.parametrize("floor", [0.01, 1e-4, 1e-5])
@pytest.mark.parametrize("wrong", rare_outcomes.CONTROLS, ids=lambda cls: cls.__name__)
def test_a_floor_under_a_probability_is_rejected(wrong: type[rare_outcomes.Floored], floor: float) -> None:
    statuses = found(wrong(floor=floor))
    assert statuses.count("failed") >= 2, statuses


@pytest.mark.parametrize("wrong", rare_outcomes.CONTROLS, ids=lambda cls: cls.__name__)
def test_without_the_floor_it_is_right(wrong: type[rare_outcomes.Floored]) -> None:
    assert set(found(wrong(floor=0.0))) == {"passed"}


@pytest.mark.parametrize("wrong", rare_outcomes.CONTROLS, ids=lambda cls: cls.__name__)
def test_outcomes_that_are_not_rare_do_not_show_it(wrong: type[rare_outcomes.Floored]) -> None:
    """Why the suite needs the rare ones: this case was all that it had."""
    on = Case(BernoulliToy(probs=(0.3, 0.85, 0.55, 0.02)), "init")
    assert expectation_is_exact(EstimatorCase(wrong(floor=1e-4), on, 1)).status == "passed"


@pytest.mark.parametrize("estimator", [ScoreFunction(), LeaveOneOut(), ARM()], ids=str)
def test_right_estimators_are_not_rejected(estimator: Estimator) -> None:
    statuses = found(estimator)
    assert "failed" not in statuses
    assert "passed" in statuses


def test_the_tolerance_is_relative_to_the_probability() -> None:
    """At p = 1e-6 the gradient is 6e-7, and a thousandth of it is seen."""
    result = expectation_is_exact(
        EstimatorCase(ScoreFunction(), Case(BernoulliToy(probs=(1e-6,), target=0.8), "init"), 1)
    )
    assert result.smallest_detectable is not None
    assert result.smallest_detectable < 1e-9
