"""The check of the mean, by quadrature or else by Monte Carlo, and the check that a declared bias shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradmark.benchmarks.checks.cases import EstimatorCase
from gradmark.benchmarks.checks.exact_moments import expectation_is_exact, is_bias
from gradmark.benchmarks.checks.mean_by_monte_carlo import LEVEL, mean_by_monte_carlo
from gradmark.benchmarks.checks.results import CheckResult, check, failed, skipped
from gradmark.benchmarks.checks.timed import Check


def mean_check(level: float = LEVEL) -> Check:
    """The check of the mean; `level` is the false-alarm rate of Monte Carlo over all cases of an estimator."""
    of_many = mean_by_monte_carlo(level)

    @check
    def mean_is_exact(case: EstimatorCase) -> CheckResult:
        """The mean is the exact gradient of the estimator's target, in every coordinate.

        Compared is the expectation of the code itself, where quadrature gives it and there is an oracle, and else the
        mean of many estimates. Skipped where an estimator that is declared biased is biased: see `bias_is_found`. Many
        estimates of such an estimator would say nothing more.
        """
        result = expectation_is_exact(case)
        if result.status == "skipped" and case.estimator.unbiased:
            result = of_many(case)
        if is_bias(result) and not case.estimator.unbiased:
            return skipped(f"declared biased, and biased here: {result.detail}")
        return result

    return mean_is_exact


mean_is_exact = mean_check()


def bias_check(cases: Sequence[EstimatorCase]) -> Check:
    """The check that the bias which an estimator declares shows on one of its cases; it is run once, on any of them."""

    @check
    def bias_is_found(case: EstimatorCase) -> CheckResult:
        """A declared bias shows on some case where the expectation is known exactly; the largest is given."""
        results = [expectation_is_exact(each) for each in cases]
        biased = [result for result in results if is_bias(result)]
        if biased:
            worst = max(biased, key=lambda result: abs(result.error or 0.0))
            return replace(worst, status="passed", detail=f"biased on {worst.where}")
        if all(result.status == "skipped" for result in results):
            return skipped("the mean could not be checked exactly on any case")
        return failed("declared biased, and not biased on any case")

    return bias_is_found
