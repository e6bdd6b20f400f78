"""`parametrize_with_checks` gives pytest the checks that `gradmark check` runs, with the same results."""

from __future__ import annotations

from typing import Any

from gradmark.benchmarks.checks import Check, EstimatorCase, parametrize_with_checks
from gradmark.benchmarks.checks.pairs import check_pairs
from gradmark.benchmarks.checks.results import MEAN_CHECKS
from gradmark.benchmarks.checks.runner import run_checks
from gradmark.benchmarks.checks.suite import suite_on
from gradmark.benchmarks.problems import BernoulliToy
from gradmark.estimators import LeaveOneOut, ScoreFunction, StraightThrough
from gradmark.estimators.core import Estimator
from tests.controls.wrong import score_function

BIT = BernoulliToy()
PATIENCE = 3600.0  # seconds, however busy the machine is


@parametrize_with_checks([ScoreFunction(), LeaveOneOut()], [BIT])
def test_right_estimators_pass(check: Check, case: EstimatorCase) -> None:
    check(case).demand()


def pairs(estimator: Estimator) -> list[tuple[Check, EstimatorCase]]:
    return list(check_pairs([estimator], suite_on([BIT])))


def test_every_check_of_the_command_is_there_with_its_cases() -> None:
    report = run_checks(LeaveOneOut(), suite_on([BIT]), budget=PATIENCE)
    names: dict[str, str] = dict.fromkeys(MEAN_CHECKS, "mean_is_exact")  # of which pytest has one check
    ran = {(names.get(result.check, result.check), result.where, result.num_samples) for result in report.checks}
    given = {(check.__name__, case.where, case.num_samples) for check, case in pairs(LeaveOneOut())}
    assert ran <= given
    assert {"mean_is_exact", "exact_variance_halves"} <= {name for name, _, _ in given}


def test_a_wrong_estimator_fails_the_exact_mean() -> None:
    results: list[Any] = [check(case) for check, case in pairs(score_function.OwnSampleInBaseline())]
    assert "mean_is_exact" in {result.check for result in results if result.failed}


def test_a_declared_bias_is_skipped_and_must_show() -> None:
    results = [check(case) for check, case in pairs(StraightThrough())]
    assert [result for result in results if result.failed] == []
    skipped = [result for result in results if result.detail.startswith("declared biased, and biased here")]
    assert skipped
    assert [(result.check, result.status) for result in results][-1] == ("bias_is_found", "passed")
