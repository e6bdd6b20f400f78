"""Moments of an estimator at frozen parameters, in whole blocks, for what is no cell: experiments, checks, tests."""

from __future__ import annotations

from gradmark.benchmarks.measurement.block import Setting, block_seed, block_size, measure_block
from gradmark.benchmarks.measurement.moments import Moments, merged


def moments_at(setting: Setting, point: str, seed: int, replicates: int, size: int | None = None) -> Moments:
    """`replicates` estimates, rounded up to whole blocks, seeded as a cell's blocks are: without the estimator.

    `size` is that of a block, by default that of a cell's.
    """
    problem, count = setting.problem, setting.num_samples
    size = size or block_size(problem, count, setting.params)
    seeds = [block_seed(problem, count, point, seed, size, index) for index in range(-(-replicates // size))]
    return merged([measure_block(setting, size, each) for each in seeds])
