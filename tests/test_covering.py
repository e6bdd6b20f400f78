"""The cover holds every meeting of the full product, and what is left out of it carries the mark."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from gradmark.benchmarks.checks import CHECKS, SUITE, Check, EstimatorCase, cases_of
from tests.checks.test_catalogue import ELSEWHERE, PRODUCT, meetings
from tests.covering import cover, kind_of_z, parametrize_cover
from tests.methods import METHODS

SETS = st.lists(st.frozensets(st.integers(0, 12), max_size=6), max_size=30)


@cache
def chosen() -> list[tuple[Check, EstimatorCase]]:
    """What `make test` runs of the product."""
    return cover(PRODUCT, lambda item: meetings(*item))


def met(items: Iterable[tuple[Check, EstimatorCase]]) -> set[Hashable]:
    return {meeting for item in items for meeting in meetings(*item)}


def test_the_cover_of_the_checks_holds_every_meeting_of_the_full_product() -> None:
    assert met(chosen()) == met(PRODUCT)
    assert len(chosen()) < len(PRODUCT) / 5


def test_without_one_of_its_items_a_meeting_is_missing() -> None:
    """The control: the comparison above sees that something is left out."""
    assert met(chosen()[1:]) < met(PRODUCT)


def test_every_estimator_meets_every_check_and_kind_of_z_that_it_fits() -> None:
    checked = {(case.estimator, check.__name__) for check, case in chosen()}
    drawn = {(case.estimator, kind_of_z(case.on)) for _, case in chosen()}
    names = [check.__name__ for check in CHECKS if check.__name__ not in ELSEWHERE]
    assert checked >= set(itertools.product(METHODS, names))
    for estimator, on in itertools.product(METHODS, SUITE):
        if cases_of(estimator, on):
            assert (estimator, kind_of_z(on)) in drawn


@given(SETS)
def test_a_cover_holds_all_and_is_a_subset_in_order(sets: list[frozenset[int]]) -> None:
    chosen = cover(list(enumerate(sets)), lambda item: item[1])
    assert frozenset().union(*(found for _, found in chosen)) == frozenset().union(*sets)
    assert chosen == sorted(chosen, key=lambda item: item[0])
    assert cover(list(enumerate(sets)), lambda item: item[1]) == chosen


def test_of_equal_gain_the_cheaper_item_is_kept() -> None:
    items = [("dear", 5.0), ("cheap", 1.0)]
    assert cover(items, lambda item: ["same"], lambda item: item[1]) == [("cheap", 1.0)]
    assert cover(items, lambda item: ["same"]) == [("dear", 5.0)]


def test_a_plain_run_has_the_cover_and_a_full_one_every_item() -> None:
    mark = parametrize_cover(("a", "b"), [(1, "x"), (1, "y")], lambda a, b: [a]).mark
    found = mark.args[0]
    assert found.names == ("a", "b")
    assert [(param.values, param.id) for param in found.params(full=False)] == [((1, "x"), "1-x")]
    assert [(param.values, param.id) for param in found.params(full=True)] == [((1, "x"), "1-x"), ((1, "y"), "1-y")]
