"""What every estimator and problem must obey: each law is a function from a case to a finding, never an assertion.

    from gradmark.benchmarks.checks import Case, Law, parametrize_with_checks
    from my_package import MyEstimator

    @parametrize_with_checks([MyEstimator()])
    def test_my_estimator(law: Law, case: Case) -> None:
        law(case).demand()

LAWS bind every estimator, CLAIMS only those methods that make them, PROBLEM_LAWS every problem. A law that raises an
exception inside somebody's code is broken, and its finding names the line. `judge(MyEstimator())` gives the verdict of
`gradmark check`, which tries more, and exactly where that can be done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias

from gradmark.benchmarks.checks.cases import FIXTURES as FIXTURES
from gradmark.benchmarks.checks.cases import Case as Case
from gradmark.benchmarks.checks.cases import Fixture as Fixture
from gradmark.benchmarks.checks.cases import cases as cases
from gradmark.benchmarks.checks.properties import CLAIMS as CLAIMS
from gradmark.benchmarks.checks.properties import claims_are_known
from gradmark.benchmarks.checks.api import text_is_identity
from gradmark.benchmarks.checks.density import draws_have_the_density
from gradmark.benchmarks.checks.deterministic import (
    draws_do_not_mix,
    log_prob_is_the_same_anew,
    problem_draws_nothing,
    seeds_decide_the_draws,
)
from gradmark.benchmarks.checks.exact_moments import exact_variance_falls as exact_variance_falls
from gradmark.benchmarks.checks.exact_moments import expectation_is_exact as expectation_is_exact
from gradmark.benchmarks.checks.results import Finding as Finding
from gradmark.benchmarks.checks.mass import density_has_mass_one
from gradmark.benchmarks.checks.monte_carlo import bias_is_found as bias_is_found
from gradmark.benchmarks.checks.monte_carlo import mean_is_exact, variance_falls_with_draws
from gradmark.benchmarks.checks.oracles import oracle_is_the_average_cost
from gradmark.benchmarks.checks.problems import (
    cost_has_the_shape_of_log_prob,
    every_parameter_matters,
    oracle_has_its_own_gradient,
    oracle_or_the_reason,
    replicates_are_a_leading_axis,
    start_is_the_same_each_time,
    terms_are_the_cost,
)
from gradmark.benchmarks.checks.reports import Verdict
from gradmark.benchmarks.checks.runner import BUDGET, FORM
from gradmark.benchmarks.checks.runner import judge as judge
from gradmark.benchmarks.checks.suite import COURT
from gradmark.benchmarks.checks.suite import against as for_problems
from gradmark.benchmarks.checks.two_stage_test import LEVEL
from gradmark.estimators.core import Estimator, Problem

Law: TypeAlias = Callable[[Case], Finding]

LAWS: tuple[Law, ...] = (  # those that find most in the least time first
    text_is_identity,
    claims_are_known,
    *FORM,
    mean_is_exact,
    variance_falls_with_draws,
)
PROBLEM_LAWS: tuple[Callable[[Fixture], Finding], ...] = (
    start_is_the_same_each_time,
    replicates_are_a_leading_axis,
    problem_draws_nothing,
    log_prob_is_the_same_anew,
    seeds_decide_the_draws,
    cost_has_the_shape_of_log_prob,
    draws_do_not_mix,
    terms_are_the_cost,
    every_parameter_matters,
    oracle_or_the_reason,
    oracle_has_its_own_gradient,
    draws_have_the_density,
    density_has_mass_one,
    oracle_is_the_average_cost,
)


def check_estimator(
    estimator: Estimator,
    against: Sequence[Problem] = (),
    *,
    level: float = LEVEL,
    budget: float = BUDGET,
    on_fail: Literal["raise", "report"] = "raise",
) -> Verdict:
    """Run every check on an estimator, on the problems `against`, or on the suite of cases where there are none.

    The checks are those of `gradmark check`; they run in this process. `level` is the false-alarm rate of the checks
    of chance over all cases, `budget` the seconds that they may take.

    Raises:
        AssertionError: A check failed, or the mean could be checked nowhere; `on_fail="report"` returns the report.

    Examples:
        >>> import gradmark
        >>> from gradmark.benchmarks.problems import BernoulliToy
        >>> from gradmark.estimators import LeaveOneOut
        >>> gradmark.check_estimator(LeaveOneOut(), [BernoulliToy()]).declared
        'unbiased'
    """
    report = judge(estimator, for_problems(against) if against else COURT, level, budget)
    if on_fail == "raise":
        report.demand()
    return report


def parametrize_with_checks(
    estimators: Iterable[Estimator], fixtures: Iterable[Fixture] = FIXTURES, laws: Iterable[Law] = LAWS
) -> Any:
    """A pytest mark that gives a test every `law` with every `case` of the estimators; needs pytest."""
    import pytest  # only here: the package itself does without

    found, laws = cases(estimators, fixtures), list(laws)
    pairs = [pytest.param(law, case, id=f"{law.__name__}-{case}") for case in found for law in laws]
    return pytest.mark.parametrize(("law", "case"), pairs)
