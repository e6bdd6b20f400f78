"""The cheap checks of a problem, made once before anything is measured on it: a fault of the problem is called one."""

from __future__ import annotations

from gradmark.benchmarks.checks.cases import Fixture
from gradmark.benchmarks.checks.density import draws_against_density
from gradmark.benchmarks.checks.deterministic import drawn, log_prob_is_the_same_anew, problem_draws_nothing
from gradmark.benchmarks.checks.problems import replicates_are_a_leading_axis
from gradmark.benchmarks.checks.results import Finding, declined, law
from gradmark.benchmarks.errors import BadInput
from gradmark.estimators.core import Problem

DRAWS = 2**9
LEVEL = 1e-9  # as extreme as the draws are few
LARGE = 2**10  # parameters or numbers of a draw, beyond which this many draws take more than a moment


class FaultyProblem(Exception):
    """The problem is at fault, and no estimator can be judged on it."""

    where = None  # the message has the line, where there is one


@law
def few_draws_have_the_density(fixture: Fixture) -> Finding:
    """The mean score of few draws is zero, at an extreme level; a log q that is not finite is measured as it is."""
    size = sum(value.numel() for value in fixture.params.values())
    if max(size, fixture.problem.footprint) > LARGE:
        return declined("the problem is large: `gradmark check --against` asks")
    try:
        return draws_against_density(fixture, DRAWS, LEVEL, nonfinite=declined)
    except NotImplementedError:
        return declined("q has no log_prob")


CHEAP = (
    replicates_are_a_leading_axis,
    problem_draws_nothing,
    log_prob_is_the_same_anew,
    few_draws_have_the_density,
)


_faults: dict[tuple[type[Problem], str], str | None] = {}  # of the problems that were asked before


def check_sound(problem: Problem) -> None:
    """FaultyProblem where a cheap check of the problem fails at its start, with the remedy; asked once of each."""
    key = type(problem), str(problem)
    if key not in _faults:
        _faults[key] = _fault(Fixture(problem, "init"))
    if _faults[key] is not None:
        raise FaultyProblem(f"the problem itself is wrong: {str(problem)[:80]}: {_faults[key]}")


def _fault(fixture: Fixture) -> str | None:
    try:
        problem, params, z = drawn(fixture, (), ())
        problem.cost(params, z, problem.distribution(params))
    except BadInput:  # data that are not there are no fault of the problem
        raise
    except Exception:  # the checks say so, and where
        pass
    findings = (check(fixture) for check in CHEAP)
    return next((finding.detail for finding in findings if finding.failed), None)
