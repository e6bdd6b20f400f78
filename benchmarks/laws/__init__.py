"""What every estimator and problem must obey: each law is a function from a case to a finding, never an assertion.

    from benchmarks.laws import Case, Law, parametrize
    from my_package import MyEstimator

    @parametrize([MyEstimator()])
    def test_my_estimator(law: Law, case: Case) -> None:
        law(case).demand()

LAWS bind every estimator, CLAIMS only those methods that make them, PROBLEM_LAWS every problem. A law that raises an
exception inside somebody's code is broken, and its finding names the line. `judge(MyEstimator())` gives the verdict of
`gradmark check`, which tries more, and exactly where that can be done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from benchmarks.laws.cases import FIXTURES as FIXTURES
from benchmarks.laws.cases import Case as Case
from benchmarks.laws.cases import Fixture as Fixture
from benchmarks.laws.cases import cases as cases
from benchmarks.laws.claims import CLAIMS as CLAIMS
from benchmarks.laws.claims import claims_are_known
from benchmarks.laws.contract import text_is_identity
from benchmarks.laws.density import draws_have_the_density
from benchmarks.laws.deterministic import (
    draws_do_not_mix,
    log_prob_is_the_same_anew,
    problem_draws_nothing,
    seeds_decide_the_draws,
)
from benchmarks.laws.exactness import exact_variance_falls as exact_variance_falls
from benchmarks.laws.exactness import expectation_is_exact as expectation_is_exact
from benchmarks.laws.findings import Finding as Finding
from benchmarks.laws.mass import density_has_mass_one
from benchmarks.laws.montecarlo import bias_is_found as bias_is_found
from benchmarks.laws.montecarlo import mean_is_exact, variance_falls_with_draws
from benchmarks.laws.oracles import oracle_is_the_average_cost
from benchmarks.laws.problems import (
    cost_has_the_shape_of_log_prob,
    every_parameter_matters,
    oracle_has_its_own_gradient,
    oracle_or_the_reason,
    replicates_are_a_leading_axis,
    start_is_the_same_each_time,
    terms_are_the_cost,
)
from benchmarks.laws.referee import FORM
from benchmarks.laws.referee import judge as judge
from estimators.core import Estimator

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


def parametrize(
    estimators: Iterable[Estimator], fixtures: Iterable[Fixture] = FIXTURES, laws: Iterable[Law] = LAWS
) -> Any:
    """A pytest mark that gives a test every `law` with every `case` of the estimators; needs pytest."""
    import pytest  # only here: the package itself does without

    found, laws = cases(estimators, fixtures), list(laws)
    pairs = [pytest.param(law, case, id=f"{law.__name__}-{case}") for case in found for law in laws]
    return pytest.mark.parametrize(("law", "case"), pairs)
