"""One thread: a second one mostly adds noise to calls of less than a millisecond."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gradmark.benchmarks.measurement.block import threads


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield
