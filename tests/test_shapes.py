"""Annotated shapes are checked in the first calls of each function that a test makes."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import TypeCheckError

from gradmark.estimators.measure_valued.base import one_at_a_time
from tests.shapes import CALLS, CHECKS

Z, OF_ANOTHER_SHAPE = torch.ones(3), torch.ones(1)


@pytest.mark.parametrize("test", ["first", "next"])
def test_the_first_calls_are_checked(test: str) -> None:
    """And those after them are not, or this would raise at the end."""
    CHECKS.start_test()
    with pytest.raises(TypeCheckError):
        one_at_a_time(Z, OF_ANOTHER_SHAPE)
    for _ in range(CALLS):
        one_at_a_time(Z, Z)
    one_at_a_time(Z, OF_ANOTHER_SHAPE)
