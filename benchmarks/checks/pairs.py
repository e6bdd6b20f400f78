"""Every check that `gradmark check` runs on an estimator, paired with its case: one test each for pytest."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from gradmark.benchmarks.checks.api import text_is_identity
from gradmark.benchmarks.checks.cases import Case
from gradmark.benchmarks.checks.exact_moments import exact_variance_falls, expectation_is_exact, is_bias
from gradmark.benchmarks.checks.monte_carlo import variance_falls_with_draws
from gradmark.benchmarks.checks.properties import properties_are_known
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.benchmarks.checks.runner import contract_pairs
from gradmark.benchmarks.checks.suite import SuiteCase, cases_of
from gradmark.benchmarks.checks.timed import Check
from gradmark.benchmarks.checks.two_stage_test import LEVEL, mean_by_monte_carlo
from gradmark.estimators.core import Estimator


def check_pairs(
    estimators: Iterable[Estimator], suite: Sequence[SuiteCase], level: float = LEVEL
) -> Iterator[tuple[Check, Case]]:
    """Every check with every case of the estimators on the suite; `level` is the false-alarm rate of an estimator."""
    for estimator in estimators:
        listed = [(suite_case, cases_of(estimator, suite_case)) for suite_case in suite]
        fitting = [(suite_case, cases) for suite_case, cases in listed if cases]
        if not fitting:
            continue
        first = fitting[0][1][-1]
        yield from ((check, first) for check in (text_is_identity, properties_are_known))
        for suite_case, cases in fitting:
            yield from contract_pairs(suite_case, cases)
        means = [cases for suite_case, cases in fitting if suite_case.mean]
        yield from _mean_pairs(means, level)
        if means and not estimator.unbiased:
            yield _bias_of([case for cases in means for case in cases]), first


def _mean_pairs(means: Sequence[Sequence[Case]], level: float) -> Iterator[tuple[Check, Case]]:
    """The checks of exact moments, and by Monte Carlo where the exact mean is unknown."""
    monte_carlo = _where_not_exact(mean_by_monte_carlo(level))
    for cases in means:
        for case in cases:
            yield _declared_bias_allowed(expectation_is_exact), case
            yield _declared_bias_allowed(monte_carlo), case
        yield exact_variance_falls, cases[0]
    fall = [case for cases in means for case in cases if not case.fixture.is_source]
    yield from ((variance_falls_with_draws, case) for case in fall[-1:])


def _where_not_exact(monte_carlo: Check) -> Check:
    """The check, skipped on cases whose expectation is compared exactly."""

    @functools.wraps(monte_carlo)
    def checked(case: Case) -> CheckResult:
        exact = expectation_is_exact(case)
        if exact.status == "skipped":
            return monte_carlo(case)
        name = monte_carlo.__name__
        return replace(exact, status="skipped", check=name, detail="the expectation is compared exactly")

    return checked


def _declared_bias_allowed(mean: Check) -> Check:
    """The check of the mean, skipped where an estimator that is declared biased is biased."""

    @functools.wraps(mean)
    def checked(case: Case) -> CheckResult:
        result = mean(case)
        if case.estimator.unbiased or not is_bias(result):
            return result
        return replace(result, status="skipped", detail=f"declared biased, and biased here: {result.detail}")

    return checked


def _bias_of(cases: Sequence[Case]) -> Check:
    """The check that a declared bias shows on one of the cases."""

    @check
    def bias_is_found(case: Case) -> CheckResult:
        """A declared bias shows on some case where the expectation is exact."""
        results = [expectation_is_exact(each) for each in cases]
        if any(map(is_bias, results)):
            return passed()
        if all(result.status == "skipped" for result in results):
            return skipped("the mean could not be checked exactly on any case")
        return failed("declared biased, and not biased on any case")

    return bias_is_found
