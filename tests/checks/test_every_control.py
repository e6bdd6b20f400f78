"""Every wrong estimator is tried, on a case that is known, beside a right neighbour."""

from __future__ import annotations

from gradmark.estimators.core import Estimator
from tests.checks import (
    test_catalogue,
    test_catalogue_families,
    test_catalogue_multisample,
    test_control_variates_of_the_score,
    test_discrete_controls,
    test_properties,
)
from tests.checks.test_sharing import SHARING_CONTROLS
from tests.controls import smallest_cases
from tests.controls.wrong import ORIGINS, contract, origin, relaxed, wrong
from tests.estimators import test_rao_blackwell, test_rao_blackwell_leave_one_out

LISTS = (
    *(test_catalogue.CONTROLS, test_properties.PROPERTY_CONTROLS, SHARING_CONTROLS, test_catalogue_families.CONTROLS),
    *(test_catalogue_multisample.CONTROLS, test_discrete_controls.CONTROLS),
    test_control_variates_of_the_score.CONTROLS,
)
SITES = (test_rao_blackwell, test_rao_blackwell_leave_one_out)
# Of the first, test_catalogue has tests of its own; the second hides behind a bias that it declares
ELSEWHERE: set[type[Estimator]] = {contract.BiasedByName, relaxed.ForgetsTheModel}


def test_every_control_has_its_check_and_a_right_neighbour() -> None:
    """But for those of other authors: of them it is enough that something rejects them."""
    listed = {type(control.wrong) for controls in LISTS for control in controls}
    listed |= {type(estimator) for tests in SITES for estimator in tests.WRONG}
    assert {cls for cls in wrong() if origin(cls) is None} - listed == ELSEWHERE


def test_the_smallest_cases_are_of_controls() -> None:
    assert set(smallest_cases.SMALLEST) | set(smallest_cases.DEAR) <= set(wrong())


def test_every_origin_is_of_a_control() -> None:
    names = [name for names in ORIGINS.values() for name in names]
    assert len(set(names)) == len(names) == 38
    assert set(names) <= {cls.__name__ for cls in wrong()}
