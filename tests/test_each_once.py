"""Of a test marked `each_once`, a plain run has few combinations of its arguments, with each value of each."""

from __future__ import annotations

import pytest


@pytest.mark.each_once
@pytest.mark.parametrize("a", [0, 1, 2])
@pytest.mark.parametrize("b", ["x", "y"])
def test_of_two_arguments(a: int, b: str) -> None:
    assert a in range(3)
    assert b in "xy"


def test_which_combinations_run(request: pytest.FixtureRequest) -> None:
    ran = [item for item in request.session.items if item.name.startswith("test_of_two_arguments[")]
    found = [(item.callspec.params["a"], item.callspec.params["b"]) for item in ran]  # type: ignore[attr-defined]
    assert {a for a, _ in found} == {0, 1, 2}
    assert {b for _, b in found} == {"x", "y"}
    assert len(found) == (6 if request.config.option.full else 3)
