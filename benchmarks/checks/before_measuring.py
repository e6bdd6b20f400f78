"""Cheap checks of a problem that run once, before anything is measured on it."""

from __future__ import annotations

from gradmark.benchmarks.checks.cases import Case
from gradmark.benchmarks.checks.density import draws_against_density
from gradmark.benchmarks.checks.deterministic import (
    drawn,
    draws_do_not_mix,
    log_prob_is_the_same_anew,
    problem_draws_nothing,
)
from gradmark.benchmarks.checks.problems import replicates_are_a_leading_axis
from gradmark.benchmarks.checks.results import CheckResult, check, skipped
from gradmark.benchmarks.errors import BadInput
from gradmark.estimators.core import Problem

DRAWS = 2**9
LEVEL = 1e-9  # probability that a right problem fails; low, since every study runs this check
LARGE = 2**10  # parameters, or numbers in a draw, beyond which DRAWS draws take too long


class FaultyProblem(Exception):
    """The problem itself is wrong, and nothing can be measured on it."""

    where = None  # the message names the line


@check
def few_draws_have_the_density(case: Case) -> CheckResult:
    """The mean score of a few draws is zero, at an extreme level; an infinite log q is skipped."""
    size = sum(value.numel() for value in case.params.values())
    if max(size, case.problem.footprint) > LARGE:
        return skipped("the problem is large; `gradmark check --against` checks it")
    try:
        return draws_against_density(case, DRAWS, LEVEL, nonfinite=skipped)
    except NotImplementedError:
        return skipped("q has no log_prob")


CHEAP = (
    replicates_are_a_leading_axis,
    problem_draws_nothing,
    log_prob_is_the_same_anew,
    draws_do_not_mix,
    few_draws_have_the_density,
)


_faults: dict[tuple[type[Problem], str], str | None] = {}  # of the problems that have been checked


def check_sound(problem: Problem) -> None:
    """Raise FaultyProblem, with the remedy, where a cheap check fails at the problem's initial parameters."""
    key = type(problem), str(problem)
    if key not in _faults:
        _faults[key] = _fault(Case(problem, "init"))
    if _faults[key] is not None:
        raise FaultyProblem(f"the problem itself is wrong: {str(problem)[:80]}: {_faults[key]}")


def _fault(case: Case) -> str | None:
    try:
        problem, params, z = drawn(case, (), ())
        problem.cost(params, z, problem.distribution(params))
    except BadInput:  # missing data is not a fault of the problem
        raise
    except Exception:  # the checks below report it with its line
        pass
    results = (check(case) for check in CHEAP)
    return next((result.detail for result in results if result.failed), None)
