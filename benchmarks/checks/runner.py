"""Runs all checks of one estimator on a suite of cases within a budget of time, the exact ones before Monte Carlo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from gradmark.benchmarks.checks.api import (
    gradient_has_the_form_of_the_parameters,
    gradient_is_finite,
    inputs_are_not_touched,
    nothing_stays_attached,
    state_keeps_its_form,
    surroundings_are_not_touched,
    text_is_identity,
)
from gradmark.benchmarks.checks.cases import Case, EstimatorCase, cases_of
from gradmark.benchmarks.checks.control_variates import gradient_norm
from gradmark.benchmarks.checks.exact_moments import exact_variance_falls, expectation_is_exact, is_bias
from gradmark.benchmarks.checks.exceptions import blamed
from gradmark.benchmarks.checks.independence import replicates_are_independent, seeds_decide
from gradmark.benchmarks.checks.mean_by_monte_carlo import LEVEL, mean_by_monte_carlo
from gradmark.benchmarks.checks.meta_device import estimate_runs_on_any_device
from gradmark.benchmarks.checks.missing_gradients import cost_reaches_its_parameters
from gradmark.benchmarks.checks.precision import draws_have_digits_enough, single_precision_is_enough
from gradmark.benchmarks.checks.properties import PROPERTIES, properties_are_known
from gradmark.benchmarks.checks.report import CheckReport, status_of
from gradmark.benchmarks.checks.results import BIAS_CHECK, CheckResult, failed, labelled, raised, skipped, text
from gradmark.benchmarks.checks.shared_draws import draws_are_not_shared, rows_draw_for_themselves
from gradmark.benchmarks.checks.suite import QUICK_SUITE
from gradmark.benchmarks.checks.timed import Check, TimedChecks
from gradmark.benchmarks.checks.timeout import WALL, Clock, TimedOut
from gradmark.benchmarks.checks.variance_by_monte_carlo import variance_falls_with_draws
from gradmark.benchmarks.measurement.block import threads
from gradmark.estimators.core import Estimator

BUDGET = 60.0  # seconds for one estimator
SHORTEST = 1.0  # seconds that any check may take
SHARE = 3  # one check on one case may take the budget divided by this
CONTRACT = (
    gradient_has_the_form_of_the_parameters,
    gradient_is_finite,
    state_keeps_its_form,
    inputs_are_not_touched,
    nothing_stays_attached,
    surroundings_are_not_touched,
    draws_have_digits_enough,
    single_precision_is_enough,
    seeds_decide,
    replicates_are_independent,
    draws_are_not_shared,
    rows_draw_for_themselves,
    cost_reaches_its_parameters,
    estimate_runs_on_any_device,
)
REFUSAL = "refusal"  # names the results of calling `refuses` and `init`, before there is a case to check

Cases = tuple[Case, list[EstimatorCase]]


def run_checks(
    estimator: Estimator,
    suite: Sequence[Case] = QUICK_SUITE,
    level: float = LEVEL,
    budget: float = BUDGET,
    seed: int = 0,
    on_result: Callable[[CheckResult], object] = lambda result: None,
    clock: Clock = WALL,
) -> CheckReport:
    """The report on an estimator; `on_result` gets each result at once. Runs on one thread, in float64."""
    start = clock.now()
    results: list[CheckResult] = []
    timed = TimedChecks(estimator, start + budget, max(budget / SHARE, SHORTEST), clock)
    run = _CheckRun(estimator, timed, level, seed)
    with threads(1):
        for result in run.results(suite):
            results.append(result)
            on_result(result)
    declared = "unbiased" if estimator.unbiased else "biased"
    counted = tuple(run.counted(result) for result in results)
    return CheckReport(text(estimator), declared, status_of(results), clock.now() - start, counted)


def iterate_results(
    estimator: Estimator,
    suite: Sequence[Case] = QUICK_SUITE,
    level: float = LEVEL,
    budget: float = BUDGET,
    seed: int = 0,
) -> Iterator[CheckResult]:
    """The results on an estimator, one by one, for callers that stop at the first failure."""
    timed = TimedChecks(estimator, WALL.now() + budget, max(budget / SHARE, SHORTEST), WALL)
    with threads(1):
        yield from _CheckRun(estimator, timed, level, seed).results(suite)


@dataclass
class _CheckRun:
    """The checks of one estimator on all cases of a suite."""

    estimator: Estimator
    timed: TimedChecks
    level: float
    seed: int
    exceptions: dict[str, set[str]] = field(default_factory=dict)  # the cases on which each exception was raised

    def results(self, suite: Sequence[Case]) -> Iterator[CheckResult]:
        """All results; the same exception from the same line is given once, and `counted` says on how many cases."""
        for result in self._all(suite):
            known = result.exception in self.exceptions
            if result.exception is not None:
                self.exceptions.setdefault(result.exception, set()).add(f"{result.where}; {result.num_samples}")
            if not known:
                yield result

    def counted(self, result: CheckResult) -> CheckResult:
        """The result, with the number of cases on which its exception was raised."""
        cases = len(self.exceptions.get(result.exception or "", ()))
        return replace(result, detail=f"{result.detail}; it was raised on {cases} cases") if cases > 1 else result

    def _all(self, suite: Sequence[Case]) -> Iterator[CheckResult]:
        listed = [(on, self._cases(on)) for on in suite]
        yield from (result for _, result in listed if isinstance(result, CheckResult))
        fitting = [(on, cases) for on, cases in listed if not isinstance(cases, CheckResult) and cases]
        if not fitting:
            reasons = {str(EstimatorCase(self.estimator, each, max(each.num_samples)).refusal) for each in suite}
            yield replace(skipped("; ".join(sorted(reasons))[:600]), check=REFUSAL, estimator=text(self.estimator))
            return
        means: list[CheckResult] = []
        yield from (self.timed.result(check, fitting[0][1][-1]) for check in (text_is_identity, properties_are_known))
        for result in self._on_cases(fitting, means):
            yield result
            if self.timed.stopped:
                return
        if not self.estimator.unbiased:
            yield self._declared_bias(means, required=set(QUICK_SUITE) <= set(suite))

    def _cases(self, on: Case) -> list[EstimatorCase] | CheckResult:
        """The estimator's cases, or the failure of `refuses` or `init`."""
        case, limit = EstimatorCase(self.estimator, on), self.timed.limit
        try:
            with self.timed.clock.limited(limit):
                return cases_of(self.estimator, on)
        except (Exception, SystemExit) as fault:
            result = raised(fault, case)
        except TimedOut as fault:
            result = failed(f"did not return within {limit:.3g} seconds{blamed(fault.stack)}")
        return replace(labelled(result, REFUSAL, case), num_samples=None)

    def _on_cases(self, fitting: list[Cases], means: list[CheckResult]) -> Iterator[CheckResult]:
        """The contract and the exact moments on each case; then Monte Carlo where the exact mean was not checked."""
        well_formed: list[Cases] = []
        for on, cases in fitting:
            malformed = False
            for result in self._contract(on, cases):
                yield result
                malformed |= result.check == CONTRACT[0].__name__ and result.status == "failed"
            if malformed or not on.mean:  # what is not a gradient has no mean
                continue
            well_formed.append((on, cases))
            yield from (self._mean(expectation_is_exact, case, means) for case in cases)
            yield self.timed.result(exact_variance_falls, cases[0])
        yield from self._monte_carlo([case for _, cases in well_formed for case in cases], means)

    def _contract(self, on: Case, cases: list[EstimatorCase]) -> Iterator[CheckResult]:
        """The results of `contract_pairs`, up to a gradient of another form, on which other checks would raise."""
        for check, case in contract_pairs(on, cases):
            yield (result := self.timed.result(check, case))
            if check is CONTRACT[0] and result.status == "failed":
                return

    def _monte_carlo(self, cases: list[EstimatorCase], means: list[CheckResult]) -> Iterator[CheckResult]:
        """Monte Carlo checks of the cases without an exact mean; the most expensive last."""
        if self.estimator.unbiased and any(result.status == "failed" for result in means):
            return  # the estimator has failed already
        checked = {(each.where, each.num_samples) for each in means if each.status in ("passed", "failed")}
        left = [case for case in cases if (case.where, case.num_samples) not in checked]
        warm = {(case.on, case.num_samples) for case in left if case.state == "warm"}
        left = [case for case in left if case.state != "cold" or (case.on, case.num_samples) not in warm]
        check = mean_by_monte_carlo(self.level, self.seed, self.timed.limit / 2)
        for case in sorted(left, key=lambda case: case.num_samples * case.on.problem.footprint):
            yield self._mean(check, case, means)
        if not any(case.on.is_source for case in left[-1:]):
            yield from (self.timed.result(variance_falls_with_draws, case) for case in left[-1:])

    def _mean(self, check: Check, case: EstimatorCase, means: list[CheckResult]) -> CheckResult:
        """The result of a check of the mean, also kept in `means`; a declared bias is not a failure, but skipped."""
        result = self.timed.result(check, case)
        if not self.estimator.unbiased and result.status != "skipped":
            off = is_bias(result)
            if off or not result.failed:
                here = "declared biased, and biased here" if off else "declared biased, and not biased here"
                result = replace(result, status="skipped", detail=f"{here}: {result.detail}")
                means.append(replace(result, status="failed" if off else "passed"))
                return result
        result = replace(result, relative=_relative(case, result))
        means.append(result)
        return result

    def _declared_bias(self, means: list[CheckResult], required: bool) -> CheckResult:
        """A declared bias must show on some case of the whole suite (`required`); the largest is given."""
        name = text(self.estimator)
        biased = [result for result in means if result.status == "failed" and result.error is not None]
        if not biased and not any(result.status == "passed" for result in means):
            return CheckResult("skipped", "the mean could not be checked on any case", check=BIAS_CHECK, estimator=name)
        if not biased:
            detail = f"declared biased, and not biased on any {'case' if required else 'of these problems'}"
            return CheckResult("failed" if required else "passed", detail, check=BIAS_CHECK, estimator=name)
        worst = max(biased, key=lambda result: abs(result.error or 0.0))
        detail = f"declared biased, and biased on {len(biased)} of {len(means)} cases; the largest bias is shown"
        return replace(worst, check=BIAS_CHECK, status="passed", detail=detail)


def contract_pairs(on: Case, cases: Sequence[EstimatorCase]) -> Iterator[tuple[Check, EstimatorCase]]:
    """The checks of the contract, with the most draws in every state; then the properties that are declared."""
    most = [case for case in cases if case.num_samples == cases[-1].num_samples]
    if on.contract:
        yield from ((check, case) for case in most for check in CONTRACT)
    yield from ((check, cases[-1]) for check in PROPERTIES if check.__name__ in cases[-1].estimator.properties)


def _relative(case: EstimatorCase, result: CheckResult) -> float | None:
    """The smallest detectable bias over the gradient's norm; None where either is missing or zero."""
    if result.status not in ("passed", "failed") or result.smallest_detectable is None:
        return None
    norm = gradient_norm(case)
    return None if norm is None else result.smallest_detectable / norm
