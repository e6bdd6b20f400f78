"""Names that estimators had before they were renamed: the error says the new one."""

from __future__ import annotations

from dataclasses import dataclass

from gradmark.benchmarks.checks.cases import Case, EstimatorCase
from gradmark.benchmarks.checks.properties import properties_are_known
from gradmark.benchmarks.problems import BernoulliToy
from gradmark.estimators import LeaveOneOut


@dataclass(frozen=True)
class Former(LeaveOneOut):
    """Declares its properties under the name that the attribute had before."""

    claims = ("exact_variance_halves",)


def test_the_former_name_of_properties_is_an_error_with_the_remedy() -> None:
    result = properties_are_known(EstimatorCase(Former(), Case(BernoulliToy())))
    assert result.status == "failed"
    assert result.detail == "the class attribute `claims` must be called `properties`; rename it"


def test_the_new_name_passes() -> None:
    assert properties_are_known(EstimatorCase(LeaveOneOut(), Case(BernoulliToy()))).status == "passed"
