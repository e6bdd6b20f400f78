"""What a plain `pytest` leaves out: the micro-benchmarks (`--benchmark` runs only those) and what is marked `full`.

`--full` runs everything but the benchmarks: every combination of estimator, problem, check and state, where a plain
`pytest` runs a cover of them (`tests/covering.py`), and slow tests of which a smaller variant stays.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import hypothesis
import jaxtyping
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch loads: on a busy machine two threads wait for each other

hypothesis.settings.register_profile("any machine", deadline=None)  # how fast it is decides nothing
hypothesis.settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register `--full`, and `--benchmark` beside the `--benchmark-…` options of pytest-benchmark."""
    text = "Run the micro-benchmarks and nothing else; without it they are skipped."
    parser.getgroup("benchmark").addoption("--benchmark", action="store_true", default=False, help=text)
    text = "Run every combination and every slow test; without it those that are marked `full` are left out."
    parser.addoption("--full", action="store_true", default=False, help=text)


@pytest.hookimpl(tryfirst=True)  # before pytest-benchmark reads its options
def pytest_configure(config: pytest.Config) -> None:
    """Skip either the benchmarks or everything else, unless one of pytest-benchmark's own options says which."""
    option = config.option
    option.benchmark_only = option.benchmark_only or option.benchmark
    if option.benchmark_only:
        jaxtyping.config.update("jaxtyping_disable", True)  # checking shapes at each call would be timed, too
    elif not option.benchmark_enable:
        option.benchmark_skip = True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each item of a cover, or of each item there is; see `parametrize_cover`."""
    for mark in metafunc.definition.iter_markers("cover"):
        cover = mark.args[0]
        metafunc.parametrize(cover.names, cover.params(metafunc.config.option.full))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what is marked `full`, and most combinations of what is marked `each_once`; unless `--full` is given."""
    if config.option.full:
        return
    chosen = _each_once([item for item in items if item.get_closest_marker("each_once")])
    kept, left_out = [], []
    for item in items:
        out = item.get_closest_marker("full") or (item.get_closest_marker("each_once") and item not in chosen)
        (left_out if out else kept).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Check annotated shapes again, in the first calls of each function."""
    shapes = sys.modules.get("tests.shapes")  # jaxtyping has imported it where it checks
    if shapes is not None:
        shapes.CHECKS.start_test()


@pytest.fixture
def at_most(request: pytest.FixtureRequest) -> int | None:
    """How many cases a test takes that would try all of them: one, or all with `--full`."""
    return None if request.config.option.full else 1


def _each_once(items: list[Any]) -> set[Any]:
    """Of each test, few combinations of its arguments in which every argument takes each of its values."""
    if not items:
        return set()
    from tests.covering import cover  # here only: a copy of this file works without

    tests: dict[str, list[Any]] = {}
    for item in items:
        tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return {item for each in tests.values() for item in cover(each, _values)}


def _values(item: Any) -> list[tuple[str, str]]:
    return [(name, repr(value)) for name, value in item.callspec.params.items()]
