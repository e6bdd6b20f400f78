"""Errors modulo symmetries are zero on the orbit and not off it; rates are those that errors were made with."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ortho_group

from gradmark.benchmarks.experiments import MixtureRecovery, SubspaceRecovery
from gradmark.benchmarks.experiments.recovery import errors as recovery

DRAW = np.random.default_rng(3)
TRUE = recovery.canonical(DRAW.standard_normal((6, 3)) * [3.0, 2.0, 1.0])
ROTATED = TRUE @ ortho_group.rvs(3, random_state=1)
TURNED = TRUE[:, [2, 0, 1]] * [-1, 1, -1]
ROUNDING = 1e-7  # an angle near zero is the arc of a cosine near one


def test_a_rotation_leaves_the_span_and_the_gram_matrix_alone() -> None:
    assert recovery.span(ROTATED, TRUE) < ROUNDING
    assert recovery.gram(ROTATED, TRUE) < 1e-14
    assert recovery.up_to_sign_and_order(ROTATED, TRUE) > 0.1
    assert recovery.raw(ROTATED, TRUE) > 0.1


def test_signs_and_orders_leave_the_columns_alone() -> None:
    assert recovery.up_to_sign_and_order(TURNED, TRUE) == 0.0
    assert recovery.raw(TURNED, TRUE) > 0.1
    np.testing.assert_allclose(np.abs(recovery.canonical(ROTATED)), np.abs(TRUE), rtol=1e-12)


def test_an_error_outside_of_the_group_is_seen_by_all() -> None:
    """Negative control: a column scaled, and one turned out of the span."""
    scaled, out = TURNED * [1.0, 1.1, 1.0], TURNED + 0.1 * np.eye(6)[:, :3]
    for wrong in (scaled, out):
        assert recovery.up_to_sign_and_order(wrong, TRUE) > 0.01
        assert recovery.gram(wrong, TRUE) > 0.01
    assert recovery.span(scaled, TRUE) < ROUNDING
    assert recovery.span(out, TRUE) > 0.01


def test_an_angle_is_an_angle() -> None:
    plane, tilted = np.eye(3)[:, :1], np.array([[math.cos(0.3)], [math.sin(0.3)], [0.0]])
    assert recovery.span(tilted, plane) == pytest.approx(0.3, rel=1e-12)


def test_an_order_of_components_is_found() -> None:
    """Where the nearest component of each would be the same one twice, the assignment is still one to one."""
    true = np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]])
    assert recovery.up_to_order(true[[1, 2, 0]], true) == 0.0
    found = np.array([[0.9, 0.0], [1.2, 0.0], [5.0, 5.0]])
    assert recovery.up_to_order(found, true) == pytest.approx(math.sqrt((0.81 + 0.04) / 51))


def test_rates_have_their_value_and_their_coverage() -> None:
    """Errors c n^−½ exp(noise): the interval misses −½ in 5 % of the studies: 8 to 36 of 400 with probability .999."""
    sizes, missed = np.array([100.0, 300.0, 1000.0, 3000.0]), 0
    for _ in range(400):
        errors = np.exp(DRAW.normal(size=(8, 1)) + 0.3 * DRAW.normal(size=(8, 4))) * sizes**-0.5
        ci = recovery.rate(sizes, errors).ci
        assert ci is not None
        missed += not ci[0] <= -0.5 <= ci[1]
    assert 8 <= missed <= 36
    flat = recovery.rate(sizes, np.exp(0.3 * DRAW.normal(size=(8, 4)))).ci
    assert flat is not None
    assert flat[0] > -0.5  # the control: what does not fall is not taken for what does


def test_the_span_is_found_by_em_and_the_columns_by_a_diagonal_q() -> None:
    """At n = 400 errors are a few percent; a rotation is an error of the order of one."""
    study = SubspaceRecovery(sizes=(40, 400), sets=4, steps=450)

    rows = {name: study.fitted(name, 400, 0) for name in ("EM", "diagonal q, exact bound")}

    def usual(name: str, error: str) -> float:
        return float(np.median([row[error] for row in rows[name]]))

    assert usual("EM", "span") < 0.1
    assert usual("EM", "canonical") > 0.2
    assert usual("diagonal q, exact bound", "canonical") < 0.15


def test_components_are_found_in_some_order() -> None:
    rows = MixtureRecovery(sizes=(40, 400), sets=4, steps=60).fitted("EM", 400, 0)
    assert float(np.median([row["matched"] for row in rows])) < 0.15
    assert max(row["raw"] for row in rows) > 0.5


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"sizes=\(100,\), sets=8, steps=600\): two sizes of 10 rows or more"):
        SubspaceRecovery(sizes=(100,))
    with pytest.raises(ValueError, match="rows are more than 131072; use fewer"):
        MixtureRecovery(sizes=(100, 100000))
