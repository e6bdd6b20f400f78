"""Turns, medians and rankings of made-up contenders: no test here depends on how busy the machine is."""

from __future__ import annotations

import numpy as np
import pytest

from gradmark.benchmarks.experiments.speed import chunks, rounds
from gradmark.benchmarks.experiments.speed.contenders import Contender
from gradmark.benchmarks.experiments.speed.works import work
from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.measurement.timing_rounds import bootstrap_median


class Clock:
    """Seconds that pass only where a contender spends them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns: list[str] = []

    def contender(self, name: str, seconds: float, least: int = 1) -> Contender:
        def turn(replicates: int, seed: int) -> Array:
            assert replicates % least == 0
            self.turns.append(name)
            self.now += seconds * replicates
            return np.array([float(seed), float(seed)])

        return Contender(name, turn, least)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(rounds.time, "perf_counter", lambda: made.now)
    return made


def test_turns_fill_their_time_and_alternate(clock: Clock) -> None:
    fast, slow = clock.contender("fast", 0.001, least=8), clock.contender("slow", 0.4)
    session = rounds.interleaved([fast, slow], 3, 0.5, seed=5)
    assert [each.name for each in session.timed] == ["fast", "slow"]
    assert clock.turns[-8:] == ["slow", "fast", "fast", "slow"] * 2  # the first of four rounds warms up
    assert [each.replicates for each in session.timed] == [504, 2]  # two at least
    np.testing.assert_allclose(session.timed[0].seconds, [0.001] * 3)
    seeds = np.array([each.traces[:, 0] for each in session.timed])
    assert len(np.unique(seeds)) == seeds.size  # of every contender in every round
    assert len(session.busy) == 3


def test_a_turn_has_so_many_replicates_at_most(clock: Clock) -> None:
    assert rounds.filling(clock.contender("instant", 0.0), 1.0, 0) == rounds.MOST


def test_the_fastest_chunks_are_taken(clock: Clock) -> None:
    tried = []

    def of_chunks(chunk: int) -> Contender:
        tried.append(chunk)
        return clock.contender(f"{chunk}", {1: 1.0, 4: 0.6, 16: 0.5, 64: 0.6, 512: 0.7}[chunk], least=chunk)

    assert chunks.fastest(work("toy, ScoreFunction"), of_chunks).name == "16"
    assert tried == [1, 4, 16, 64, 512]  # a larger one cannot be much faster than one that is much slower
    tried.clear()
    assert chunks.fastest(work("Gaussian VAE, total variance"), of_chunks).name == "16"
    assert tried == [1, 4, 16]  # more do not fit


def test_a_bootstrap_of_the_median() -> None:
    draw = np.random.default_rng(1)
    held = [
        (ends := bootstrap_median(np.exp(draw.normal(size=15))).ci) is not None and ends[0] <= 1 <= ends[1]
        for _ in range(200)
    ]
    assert sum(held) >= 180  # 190 are expected; fewer by chance at most once in 500
    disturbed = np.array([1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 50.0])
    found = bootstrap_median(disturbed)
    assert found.value == 1.0
    assert found.ci is not None
    assert found.ci[1] <= 1.1
    assert bootstrap_median(disturbed[:5]).ci is None
