"""`run_checks` rejects the controls and not the catalogue, and makes a report whatever a plug-in does.

Exact checks have no chance in them. The Monte Carlo check is tried on right estimators over several seeds, at the level
.001 over 20 for each cell: 63 cells here, so that a false alarm has probability .003 in all; seeds are fixed.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from gradmark.benchmarks.checks import Case, EstimatorCase
from gradmark.benchmarks.checks.cases import cases_of
from gradmark.benchmarks.checks.exact_moments import expectation_is_exact
from gradmark.benchmarks.checks.mean_by_monte_carlo import mean_by_monte_carlo
from gradmark.benchmarks.checks.report import CheckReport, sentence, status_of
from gradmark.benchmarks.checks.results import BROKEN, CheckResult
from gradmark.benchmarks.checks.runner import iterate_results, run_checks
from gradmark.benchmarks.checks.suite import QUICK_SUITE
from gradmark.benchmarks.problems import BernoulliToy, GaussianToy, LinearGaussian
from gradmark.benchmarks.specs import family
from gradmark.estimators import LeaveOneOut, ScoreFunction, StickingTheLanding, StraightThrough
from gradmark.estimators.core import Estimate, Estimator, Params, Problem, State
from tests.checks.simulated_clock import SimulatedClock
from tests.checks.test_every_control import ELSEWHERE, LISTS
from tests.controls.smallest_cases import BIT, DEAR, SMALLEST
from tests.controls.wrong import (
    contract,
    origin,
    pathwise,
    score_function,
    wrong,
)
from tests.covering import parametrize_cover
from tests.methods import METHODS

GAUSSIAN = Case(GaussianToy(k=0.5, loc=0.8, scale=0.6), "init")
BITS = Case(BernoulliToy(probs=(0.3, 0.85, 0.55, 0.02)), "init")
ROWS = Case(LinearGaussian(latents=1, observed=2, rows=3))
PATIENCE = 3600.0  # seconds, however busy the machine is: on a quiet one the default is enough


def controls() -> list[Estimator]:
    """Every wrong estimator of the tests."""
    special = {
        pathwise.Nudged: pathwise.Nudged(by=0.01),
        contract.TextLosesField: contract.TextLosesField(0.3),
    }
    return [special.get(cls) or cls() for cls in sorted(wrong(), key=lambda cls: cls.__qualname__)]


def tried_in_a_plain_run() -> set[type[Estimator]]:
    """Those of other authors, and for each check the first one that it rejects: so each check is seen to run.

    The checks that reject each of our own are tried in files of their own; see test_every_control.py.
    """
    first = {check: type(each.wrong) for each in reversed([*chain(*LISTS)]) for check in each.checks}
    return {*first.values(), *ELSEWHERE, *(cls for cls in wrong() if origin(cls) is not None)}


def tries() -> Iterator[Any]:
    """Every control with what it is tried on: one small case where that is known, and for `--full` the whole suite."""
    plain = tried_in_a_plain_run()
    for control in controls():
        name, cls = type(control).__name__, type(control)
        marks = () if cls in plain else pytest.mark.full
        yield pytest.param(control, SMALLEST.get(cls) or DEAR.get(cls) or QUICK_SUITE, id=name, marks=marks)
        if cls in SMALLEST:
            yield pytest.param(control, DEAR.get(cls, QUICK_SUITE), id=f"{name}-whole", marks=pytest.mark.full)


@pytest.mark.parametrize(("control", "suite"), list(tries()))
def test_control_is_rejected(control: Estimator, suite: Sequence[Case]) -> None:
    results = iterate_results(control, suite, budget=PATIENCE)
    first = next((result for result in results if result.failed), None)
    assert first is not None
    assert first.detail


@pytest.mark.full  # of this estimator the next test judges the mean, and test_false_alarms the form of each
@pytest.mark.parametrize("estimator", [StraightThrough()], ids=str)
def test_right_estimator_passes(estimator: Estimator) -> None:
    run_checks(estimator, budget=PATIENCE).demand()


def test_declared_bias_is_found_and_its_size_given() -> None:
    report = run_checks(StraightThrough(), [replace(BIT, num_samples=(1,))])
    assert (report.declared, report.status) == ("biased", "passed")
    found = report.checks[-1]
    assert (found.check, found.status, found.coordinate) == ("bias_is_found", "passed", "logits[0]")
    assert found.error == pytest.approx(0.3 * 0.7 * (2 * 0.3 - 1))
    assert "off by -0.084" in sentence(report)


UNBIASED = [
    (estimator, replace(on, num_samples=(2,)))
    for estimator in METHODS
    for on in (GAUSSIAN, BITS, ROWS)
    if estimator.unbiased and estimator.refuses(on.problem, 2) is None
]


def family_and_problem(estimator: Estimator, on: Case) -> list[tuple[str, Case]]:
    """The check is the subject here, not the methods: one of each family meets each problem."""
    return [(family(type(estimator).__module__), on)]


@parametrize_cover(("estimator", "on"), UNBIASED, family_and_problem)
def test_no_false_alarm_over_seeds(estimator: Estimator, on: Case, at_most: int | None) -> None:
    for seed in range(at_most or 3):
        assert not mean_by_monte_carlo(seed=seed)(cases_of(estimator, on)[0]).failed


def test_monte_carlo_sees_what_the_exact_moments_cannot() -> None:
    case = EstimatorCase(score_function.MeanOverRows(), Case(LinearGaussian(latents=2, observed=3, rows=3)), 2)
    assert expectation_is_exact(case).status == "skipped"
    result = mean_by_monte_carlo()(case)
    assert result.failed
    assert result.coordinate
    assert abs(result.error or 0) > (result.smallest_detectable or 0) > 0


def test_every_case_of_the_suite_fits_an_estimator() -> None:
    for on in QUICK_SUITE:
        assert any(cases_of(estimator, on) for estimator in (ScoreFunction(), StickingTheLanding()))


def test_a_mean_that_is_not_checked_is_inconclusive() -> None:
    refused = run_checks(StickingTheLanding(), [BIT])
    assert refused.status == "inconclusive"
    assert "no log q" in refused.checks[0].detail


def test_status_of() -> None:
    mean, other = (CheckResult("passed", check=name) for name in ("expectation_is_exact", "seeds_decide"))
    assert status_of([]) == "inconclusive"
    assert status_of([mean]) == "passed"
    assert status_of([other]) == "inconclusive"
    assert status_of([mean, CheckResult("failed", check="x")]) == "failed"


def test_json_knows_no_infinity() -> None:
    result = CheckResult("failed", check="x", error=float("inf"), smallest_detectable=float("nan"))
    report = CheckReport("X()", "unbiased", "failed", 1.0, (result,))
    [found] = json.loads(json.dumps(report.json(), allow_nan=False))["checks"]
    assert (found["error"], found["smallest_detectable"]) == (None, None)


def test_a_spent_budget_is_reported() -> None:
    report = run_checks(LeaveOneOut(), [BIT], budget=1e-3)
    assert report.status == "inconclusive"
    assert any("budget" in result.detail for result in report.checks)


# Whatever a plug-in does, there is a report that names file and line


class Shape(LeaveOneOut):
    """Gives one number where the parameter has several."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        found = super().estimate(problem, params, state, num_samples)
        return Estimate({name: value.sum() for name, value in found.gradient.items()}, found.state)


class NotANumber(LeaveOneOut):
    """Divides zero by zero, here and there."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        found = super().estimate(problem, params, state, num_samples)
        return Estimate({name: value / (value != 0) for name, value in found.gradient.items()}, found.state)


CLOCK = SimulatedClock()


class Sleeps(LeaveOneOut):
    """Never returns."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        CLOCK.sleep(1000)
        raise AssertionError


class Exits(LeaveOneOut):
    """Ends the process."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        sys.exit(3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Shape(), "where the parameter is"),
        (NotANumber(), "NaN"),
        (Sleeps(), "did not return within 1 seconds"),
        (Exits(), "SystemExit"),
        (contract.ParametersOverwritten(), "overwritten"),
        (contract.Raises(), "ZeroDivisionError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_fault_is_named_with_file_and_line(wrong: Estimator, said: str) -> None:
    report = run_checks(wrong, [BIT], budget=3, clock=CLOCK)
    assert report.status == "failed"
    faults = [result.detail for result in report.checks if result.status in BROKEN]
    assert any(said in fault for fault in faults), faults
    assert all(re.search(rf"{Path(inspect.getfile(type(wrong))).name}:\d+", fault) for fault in faults), faults
