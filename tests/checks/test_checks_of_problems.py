"""Checks of problems do not reject problems that are right."""

from __future__ import annotations

import pytest

from gradmark.benchmarks.checks import PROBLEM_CHECKS, Case
from gradmark.benchmarks.problems import StepToy
from gradmark.estimators.core import Problem
from tests.cases.scalar_parameters import AlwaysOne, ScalarGaussian


@pytest.mark.parametrize("point", ["init", "moved"])
@pytest.mark.parametrize("problem", [ScalarGaussian(), AlwaysOne(), StepToy(), StepToy(edges=(-9.0,))], ids=str)
def test_scalar_parameters_and_equal_costs_are_right(problem: Problem, point: str) -> None:
    for check in PROBLEM_CHECKS:
        check(Case(problem, point)).demand()
