"""Checks of estimators and problems: each is a function from a case to a result, and never raises.

    from gradmark.benchmarks.checks import Check, EstimatorCase, parametrize_with_checks
    from my_package import MyEstimator

    @parametrize_with_checks([MyEstimator()])
    def test_my_estimator(check: Check, case: EstimatorCase) -> None:
        check(case).demand()

CHECKS are for every estimator, PROPERTIES for estimators that declare them, PROBLEM_CHECKS for every problem. Where
somebody's code raises, the result says so and names the line. `check_estimator(MyEstimator())` runs what
`gradmark check` runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from gradmark.benchmarks.checks.cases import Case as Case
from gradmark.benchmarks.checks.cases import EstimatorCase as EstimatorCase
from gradmark.benchmarks.checks.cases import cases_of as cases_of
from gradmark.benchmarks.checks.cases import estimator_cases as estimator_cases
from gradmark.benchmarks.checks.properties import PROPERTIES as PROPERTIES
from gradmark.benchmarks.checks.properties import properties_are_known
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
from gradmark.benchmarks.checks.results import CheckResult as CheckResult
from gradmark.benchmarks.checks.mass import density_has_mass_one
from gradmark.benchmarks.checks.mean import mean_is_exact
from gradmark.benchmarks.checks.meta_device import problem_runs_on_any_device
from gradmark.benchmarks.checks.variance_by_monte_carlo import variance_falls_with_draws
from gradmark.benchmarks.checks.oracles import oracle_is_the_average_cost
from gradmark.benchmarks.checks.pairs import check_pairs
from gradmark.benchmarks.checks.problems import (
    cost_has_the_shape_of_log_prob,
    every_parameter_matters,
    oracle_has_its_own_gradient,
    oracle_or_the_reason,
    replicates_are_a_leading_axis,
    start_is_the_same_each_time,
    terms_are_the_cost,
)
from gradmark.benchmarks.checks.report import CheckReport
from gradmark.benchmarks.checks.runner import BUDGET, CONTRACT, run_checks
from gradmark.benchmarks.checks.suite import QUICK_SUITE, suite_on
from gradmark.benchmarks.checks.suite import SUITE as SUITE
from gradmark.benchmarks.checks.timed import Check as Check
from gradmark.benchmarks.checks.mean_by_monte_carlo import LEVEL
from gradmark.estimators.core import Estimator, Problem

CHECKS: tuple[Check, ...] = (  # those that find most in the least time first
    text_is_identity,
    properties_are_known,
    *CONTRACT,
    mean_is_exact,
    variance_falls_with_draws,
)
PROBLEM_CHECKS: tuple[Callable[[Case], CheckResult], ...] = (
    start_is_the_same_each_time,
    replicates_are_a_leading_axis,
    problem_draws_nothing,
    log_prob_is_the_same_anew,
    seeds_decide_the_draws,
    cost_has_the_shape_of_log_prob,
    draws_do_not_mix,
    terms_are_the_cost,
    every_parameter_matters,
    problem_runs_on_any_device,
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
) -> CheckReport:
    """Run every check on an estimator, on the problems `against`, or on the suite of cases where there are none.

    The checks are those of `gradmark check`; they run in this process.

    Args:
        estimator: The estimator to check.
        against: The problems to check it on.
        level: The false-alarm rate of the checks by Monte Carlo, over all cases together.
        budget: The seconds that all checks may take; cases that are left are skipped.
        on_fail: `"raise"`, or `"report"` to return the report of an estimator that fails.

    Returns:
        The result of every check, with what the estimator declares of its bias.

    Raises:
        AssertionError: A check failed, or the mean could be checked nowhere.

    Examples:
        >>> import gradmark
        >>> from gradmark.benchmarks.problems import BernoulliToy
        >>> from gradmark.estimators import LeaveOneOut
        >>> gradmark.check_estimator(LeaveOneOut(), [BernoulliToy()]).declared
        'unbiased'
    """
    report = run_checks(estimator, suite_on(against) if against else QUICK_SUITE, level, budget)
    if on_fail == "raise":
        report.demand()
    return report


def parametrize_with_checks(
    estimators: Iterable[Estimator], against: Sequence[Problem] = (), *, level: float = LEVEL
) -> Any:
    """A pytest mark that makes one test of each check on each case; it needs pytest.

    The checks are those that `check_estimator` runs, without a limit on their time. The test function has the
    arguments `check` and `case`.

    Args:
        estimators: The estimators to check.
        against: The problems to check them on; by default the suite of cases.
        level: The false-alarm rate of the checks by Monte Carlo, over all cases of an estimator together.

    Returns:
        A `pytest.mark.parametrize` of `check` and `case`.

    Raises:
        ImportError: pytest is not installed.

    Examples:
        >>> import gradmark
        >>> from gradmark.benchmarks.problems import BernoulliToy
        >>> from gradmark.estimators import LeaveOneOut
        >>> @gradmark.parametrize_with_checks([LeaveOneOut()], [BernoulliToy()])
        ... def test_leave_one_out(check, case):
        ...     check(case).demand()
    """
    import pytest  # only here: the package itself does not need it

    pairs = check_pairs(estimators, suite_on(against) if against else QUICK_SUITE, level)
    params = [pytest.param(check, case, id=f"{check.__name__}-{case}") for check, case in pairs]
    return pytest.mark.parametrize(("check", "case"), params)
