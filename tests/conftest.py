"""`pytest --benchmark` runs the micro-benchmarks and nothing else; a plain `pytest` skips them."""

from __future__ import annotations

import os

import hypothesis
import jaxtyping
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch loads: on a busy machine two threads wait for each other

hypothesis.settings.register_profile("any machine", deadline=None)  # how fast it is decides nothing
hypothesis.settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register `--benchmark`, beside the `--benchmark-…` options of pytest-benchmark."""
    text = "Run the micro-benchmarks and nothing else; without it they are skipped."
    parser.getgroup("benchmark").addoption("--benchmark", action="store_true", default=False, help=text)


@pytest.hookimpl(tryfirst=True)  # before pytest-benchmark reads its options
def pytest_configure(config: pytest.Config) -> None:
    """Skip either the benchmarks or everything else, unless one of pytest-benchmark's own options says which."""
    option = config.option
    option.benchmark_only = option.benchmark_only or option.benchmark
    if option.benchmark_only:
        jaxtyping.config.update("jaxtyping_disable", True)  # checking shapes at each call would be timed, too
    elif not option.benchmark_enable:
        option.benchmark_skip = True
