"""Checks of problems do not reject problems that are right."""

from __future__ import annotations

import pytest

from gradmark.benchmarks.checks import PROBLEM_CHECKS, Case
from gradmark.benchmarks.problems import BernoulliToy, StepToy
from gradmark.estimators.core import Problem
from tests.cases.scalar_parameters import AlwaysOne, ScalarGaussian


@pytest.mark.parametrize("point", ["init", "moved"])
@pytest.mark.parametrize("problem", [ScalarGaussian(), AlwaysOne(), StepToy(), StepToy(edges=(-9.0,))], ids=str)
def test_scalar_parameters_and_equal_costs_are_right(problem: Problem, point: str) -> None:
    for check in PROBLEM_CHECKS:
        check(Case(problem, point)).demand()


@pytest.mark.parametrize("rare", [1e-4, 1e-6, 1e-9])
def test_an_outcome_that_no_draw_meets_is_not_taken_for_missing(rare: float) -> None:
    for check in PROBLEM_CHECKS:
        check(Case(BernoulliToy(probs=(rare,), target=0.8), "init")).demand()
