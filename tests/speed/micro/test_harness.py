"""Seconds of what the harness does around an estimate."""

from __future__ import annotations

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from gradmark.benchmarks import specs
from gradmark.benchmarks.measurement.block import Setting, block_size, measure_block
from gradmark.benchmarks.measurement.fold import fold
from gradmark.benchmarks.measurement.moments import Moments, merged


def gradients(replicates: int, coordinates: int, seed: int = 0) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(replicates, coordinates, generator=draw) for _ in range(2)]


@pytest.mark.parametrize(("replicates", "coordinates"), [(4096, 1), (1024, 31), (64, 5000), (8, 400_000)])
def test_fold(benchmark: BenchmarkFixture, replicates: int, coordinates: int) -> None:
    found = benchmark(fold, gradients(replicates, coordinates), None, False)
    assert found.units == replicates


@pytest.mark.parametrize("problem", ["GaussianToy()", "BernoulliToy()", "BayesianLogisticRegression()"])
def test_block(benchmark: BenchmarkFixture, problem: str) -> None:
    found = specs.problem(problem)
    params = {name: value.to(torch.float32) for name, value in found.init().items()}
    setting = Setting(found, specs.estimator("ScoreFunction()"), 1, params)
    size = block_size(found, 1, params)
    assert benchmark(measure_block, setting, size, 0).replicates == size


def test_merge(benchmark: BenchmarkFixture) -> None:
    blocks = [fold(gradients(1024, 31, seed), None, False) for seed in range(16)]
    assert benchmark(merged, blocks).units == 16 * 1024


def test_stored_moments(benchmark: BenchmarkFixture) -> None:
    block = fold(gradients(1024, 31), None, False)
    assert benchmark(lambda: Moments.from_bytes(block.to_bytes())).units == 1024


@pytest.mark.parametrize(
    ("kind", "text"),
    [("estimator", "LeaveOneOut()"), ("problem", "Minibatch(problem=LinearGaussian(latents=3), size=10)")],
)
def test_spec(benchmark: BenchmarkFixture, kind: str, text: str) -> None:
    assert str(benchmark(getattr(specs, kind), text)) == text
