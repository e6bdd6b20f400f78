"""Growth is fitted to the largest sizes, and memory counts torch's tensors and numpy's arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gradmark.benchmarks.measurement.moments import Moments
from gradmark.benchmarks.problems import BernoulliToy
from gradmark.benchmarks.speed import growth
from gradmark.benchmarks.speed.growth import MIB, Growth
from gradmark.estimators import ScoreFunction

SIZES = [1, 10, 100, 1000, 10000]


def grown(power: float, fixed: float = 0.0) -> Growth:
    values = fixed + np.array(SIZES, dtype=float) ** power
    return Growth("rows", "a run", SIZES, np.stack([values, values]), values)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_is_found(power: float) -> None:
    found = grown(power)
    assert growth.exponent_line(*found.exponent(found.medians)) == f"{power:.2f} [{power:.2f}, {power:.2f}]"


def test_what_grows_faster_than_in_proportion_is_seen() -> None:
    low = grown(1.2).exponent(grown(1.2).medians)[1]
    assert low > 1.1


def test_memory_is_that_of_tensors_and_of_the_moments() -> None:
    run = growth.blocks(BernoulliToy(), ScoreFunction(), 1, 8192)

    def larger() -> Moments:
        kept = torch.zeros(64 * MIB // 8, dtype=torch.float64)
        found = run()
        assert not kept.any()
        return found

    found = growth.measured("numbers", "a run", {1: run, 2: larger}, rounds=1)
    assert len(run().to_bytes()) < found.memory[0] < 8 * MIB
    assert found.memory[1] - found.memory[0] == pytest.approx(64 * MIB, rel=1e-3)


def test_a_table_and_a_figure() -> None:
    runs = {count: growth.blocks(BernoulliToy(), ScoreFunction(), 1, count) for count in (4096, 8192, 12288, 16384)}
    found = growth.measured("replicates", "a toy", runs, rounds=2)
    lines = growth.table(found).splitlines()
    assert (lines[0], lines[2]) == ("a toy:", "| replicates | seconds | MiB |")
    assert lines[4].startswith("| 4,096 | ")
    assert lines[-1].startswith("| exponent | ")
    assert len(growth.drawn([found]).axes) == 2
