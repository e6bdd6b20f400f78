"""Warm baselines: each group of replicates has a warm-up of its own, and the interval covers the mean over warm-ups."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.execution.prepare import Ready
from gradmark.benchmarks.measurement.block import Setting, block_size, measure_block, warm_states
from gradmark.benchmarks.measurement.grouping import (
    blocks_at_once,
    blocks_of_a_warm_up,
    group_size,
    warm_ups,
    warm_ups_at_once,
)
from gradmark.benchmarks.measurement.quantities import ratio
from gradmark.benchmarks.store.records import together
from gradmark.benchmarks.studies.measure import measure
from gradmark.benchmarks.trust.warm_baselines import interval, ready, truth

TOY = ("BernoulliToy()", "MovingAverageBaseline()", 2)
SEEDS = 16
FEWEST = 11  # of 16 intervals that hold the truth: fewer have a chance of 1e-4 at a coverage of .95, of .001 at .92
SIZES = [2**power for power in range(3, 13)]


def test_intervals_cover_the_mean_over_warm_ups() -> None:
    """Seeds 0 to 15, one block each. The control: around one warm-up, frozen, none of them holds it."""
    right, held, frozen = truth(*TOY, 2**10), 0, 0
    for seed in range(SEEDS):
        low, high = interval(ready(*TOY, seed), 1).ci or (math.inf, -math.inf)
        held += low <= right <= high
    for seed in range(4):
        low, high = interval(ready(*TOY, seed), 1, frozen=True).ci or (math.inf, -math.inf)
        frozen += low <= right <= high
    assert held >= FEWEST
    assert frozen <= 1


def test_the_seed_of_a_warm_up_is_the_block_s_and_no_estimators() -> None:
    cells = [ready("BernoulliToy()", estimator, 1, 3) for estimator in ("MovingAverageBaseline()", "REBAR()")]
    assert cells[0].seed("warm-up 4") == cells[1].seed("warm-up 4")
    assert cells[0].seed("warm-up 4") not in (cells[0].seed("warm-up 0"), cells[0].seed(4))


def _averages(cell: Ready, block: int) -> Tensor:
    return cell.warm(block)["average"]


def test_every_group_of_every_block_has_a_warm_up_of_its_own() -> None:
    cell = ready(*TOY, 0)
    assert (cell.size, group_size(cell.size)) == (4096, 32)
    averages = torch.stack([_averages(cell, block) for block in range(5)])
    assert averages.shape == (5, 128)
    assert len(averages.unique()) == 5 * 128
    assert torch.equal(_averages(ready(*TOY, 0), 2), averages[2])  # whichever block is measured first
    assert not torch.equal(_averages(ready(*TOY, 1), 2), averages[2])


def test_a_group_is_measured_from_its_own_state() -> None:
    """With states that are far apart, the traces of the groups are far apart, and in the same order."""
    problem = specs.problem("BernoulliToy()")
    setting = Setting(problem, specs.estimator("MovingAverageBaseline()"), 1, problem.init())
    one = torch.ones(8, dtype=torch.float64)
    states = {"average": 10.0 ** torch.arange(8, dtype=torch.float64), "weight": one}
    traces = measure_block(setting, 256, 1, states).traces[:, 0]
    assert np.all(traces[1:] > 20 * traces[:-1])


def test_small_blocks_share_a_warm_up_and_are_one_group() -> None:
    """A network has blocks of 8: 32 of them share one warm-up of 256 estimates, which serves 256 replicates."""
    cell = ready(*TOY, 0)
    small = Ready(cell.cell, cell.setting, 8, "init")
    assert _averages(small, 0).shape == (1,)
    same = [_averages(small, block) for block in (0, 31, 32)]
    assert torch.equal(same[0], same[1])
    assert not torch.equal(same[0], same[2])
    blocks = [measure_block(small.setting, 8, small.seed(index), small.warm(index)) for index in range(40)]
    found = together(cell.cell, blocks)
    assert [block.replicates for block in found] == [256, 64]
    assert [len(block.traces) for block in found] == [1, 1]
    assert found[0].traces[0, 0] == pytest.approx(np.mean([block.traces[0, 0] for block in blocks[:32]]))
    cold = Cell(*TOY, state="cold")
    assert together(cold, blocks) is blocks


@pytest.mark.parametrize("size", SIZES)
def test_counts_of_warm_ups_agree(size: int) -> None:
    blocks = 2 * blocks_at_once(size)
    assert warm_ups(size, blocks) == 2 * warm_ups_at_once(size)
    assert 1 <= size * blocks_of_a_warm_up(size) <= 4096
    assert 2 * blocks_at_once(size) * size // warm_ups(size, blocks) >= 32  # replicates that a warm-up serves


def test_rows_of_a_minibatch_are_each_warm_ups_own_and_pairs_stay_pairs() -> None:
    """A group has an even number of replicates: the two that share their rows share their warm-up."""
    problem = specs.problem("Minibatch(LinearGaussian(latents=1, observed=2, rows=6), size=2)")
    setting = Setting(problem, specs.estimator("MovingAverageBaseline()"), 1, problem.init())
    states = warm_states(setting, 16, 1)
    assert len(states["average"].unique()) == 16
    found = measure_block(setting, 512, 2, states)
    assert found.paired
    assert all(group_size(size) % 2 == 0 for size in SIZES)


@pytest.mark.parametrize(
    ("estimator", "mean"),
    [
        ("ScoreFunction()", 0.020813720703124997),
        ("LeaveOneOut()", 0.02138671875),
        ("MovingAverageBaseline()", 0.020813720703124997),
        ("REBAR()", 0.02326140686838919),
    ],
)
def test_cold_and_stateless_blocks_are_what_they_were(estimator: str, mean: float) -> None:
    """The mean of block 0, recorded before warm-ups had groups."""
    problem = specs.problem("BernoulliToy()")
    setting = Setting(problem, specs.estimator(estimator), 2, problem.init())
    cell = Ready(Cell("BernoulliToy()", estimator, 2), setting, block_size(problem, 2, setting.params), "init")
    found = measure_block(cell.setting, cell.size, cell.seed(0), cell.warm(0))
    assert float(found.mean[0]) == pytest.approx(mean, rel=1e-13)


def test_larger_groups_are_paired_with_as_many_smaller_ones() -> None:
    numerator = np.exp(np.random.default_rng(0).standard_normal(64))
    wide = numerator.reshape(8, 8).mean(1)
    found, expected = ratio(numerator, 2 * wide), ratio(wide, 2 * wide)
    assert found == expected
    assert found.value == pytest.approx(0.5)


def test_exact_says_what_it_is_given() -> None:
    warm, cold = (measure(*TOY, state=state, replicates=4096) for state in ("warm", "cold"))
    assert (warm["warm_ups"], cold["warm_ups"]) == (128, None)
    total = warm["total_variance"]
    assert total["exact_given"] == "the mean over 32 warm-ups"
    assert abs(total["value"] - total["exact"]) < 4 * math.hypot(total["stderr"], total["exact_stderr"])
    assert (cold["total_variance"]["exact_given"], cold["total_variance"]["exact_stderr"]) == (None, None)
