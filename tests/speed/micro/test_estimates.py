"""Seconds of one estimate of each estimator, on a toy."""

from __future__ import annotations

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from gradmark.benchmarks import specs
from gradmark.benchmarks.measurement.block import Setting
from gradmark.benchmarks.measurement.timing import one_estimate


@pytest.mark.parametrize("name", specs.names("estimator"))
def test_estimate(benchmark: BenchmarkFixture, name: str) -> None:
    estimator = specs.estimator(f"{name}()")
    problems = map(specs.problem, ("GaussianToy()", "BernoulliToy()", "LinearGaussian()"))
    problem = next((each for each in problems if estimator.refuses(each, 2) is None), None)
    if problem is None:
        pytest.skip(f"{name} is refused on every toy")
    params = {key: value.to(torch.float32) for key, value in problem.init().items()}
    benchmark.extra_info["problem"] = str(problem)
    benchmark(one_estimate(Setting(problem, estimator, 2, params)))
