"""The checks of problems over the suite of cases, and over wrong problems that each break one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator

import pytest

from gradmark.benchmarks import checks
from gradmark.benchmarks.checks import PROBLEM_CHECKS, SUITE, Case, CheckResult
from gradmark.estimators.core import Problem
from tests.controls.wrong import problems as wrong_problems
from tests.covering import parametrize_cover

PRODUCT = [(on, check) for on in SUITE for check in PROBLEM_CHECKS]


def meetings(on: Case, check: Callable[[Case], CheckResult]) -> Iterator[Hashable]:
    """Each problem meets each check, and with each of its settings the one that compares the most numbers."""
    problem = on.problem
    yield type(problem), type(problem.template), getattr(problem, "function", ""), check
    if check is checks.oracle_is_the_average_cost:
        yield on, check


@parametrize_cover(("on", "check"), PRODUCT, meetings)
def test_problems_pass_every_check(on: Case, check: Callable[[Case], CheckResult]) -> None:
    check(on).demand()


PROBLEM_CONTROLS = {
    wrong_problems.SharedStart: checks.start_is_the_same_each_time,
    wrong_problems.SummedCost: checks.cost_has_the_shape_of_log_prob,
    wrong_problems.TermForgotten: checks.terms_are_the_cost,
    wrong_problems.TermNamesTooFew: checks.terms_are_the_cost,
    wrong_problems.TermDetached: checks.terms_are_the_cost,
    wrong_problems.IdleParameter: checks.every_parameter_matters,
    wrong_problems.OutcomesOnTheHost: checks.problem_runs_on_any_device,
    wrong_problems.AsksForANumber: checks.problem_runs_on_any_device,
    wrong_problems.SilentlyWithoutOracle: checks.oracle_or_the_reason,
    wrong_problems.OracleDetached: checks.oracle_has_its_own_gradient,
    wrong_problems.WithoutReplicates: checks.replicates_are_a_leading_axis,
    wrong_problems.NoisyCost: checks.problem_draws_nothing,
    wrong_problems.NoiseOfNumpy: checks.problem_draws_nothing,
    wrong_problems.NoiseOfPython: checks.problem_draws_nothing,
    wrong_problems.NoiseOfItsOwn: checks.problem_draws_nothing,
    wrong_problems.ParameterMoved: checks.problem_draws_nothing,
    wrong_problems.DrawRemembered: checks.log_prob_is_the_same_anew,
    wrong_problems.DrawsOfNumpy: checks.seeds_decide_the_draws,
    wrong_problems.CostCentred: checks.draws_do_not_mix,
    wrong_problems.ScaleIgnored: checks.draws_have_the_density,
    wrong_problems.ConstantForgotten: checks.density_has_mass_one,
    wrong_problems.OutcomesOfMassTwo: checks.density_has_mass_one,
    wrong_problems.OracleTwice: checks.oracle_is_the_average_cost,
    wrong_problems.OracleOfAnotherSlope: checks.oracle_is_the_average_cost,
    wrong_problems.CostThroughQ: checks.oracle_is_the_average_cost,
}


@pytest.mark.parametrize("wrong", PROBLEM_CONTROLS, ids=lambda cls: cls.__name__)
def test_wrong_problem_is_rejected(wrong: type[Problem]) -> None:
    at = "init" if wrong is wrong_problems.OracleOfAnotherSlope else "moved"
    result = PROBLEM_CONTROLS[wrong](Case(wrong(), at))
    assert result.status == "failed", result


def test_every_check_of_problems_rejects_a_control() -> None:
    assert set(PROBLEM_CONTROLS.values()) == set(PROBLEM_CHECKS)
