"""A block's seed, size and generators; replicates that share nothing but the distribution they are drawn from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.measurement.block import (
    Setting,
    block_seed,
    block_size,
    lifted,
    measure_block,
    seeded,
    warm_state,
)
from gradmark.benchmarks.problems import GaussianToy, LinearGaussian, Minibatch
from gradmark.estimators import ExactGradient, MovingAverageBaseline, Reparameterization, ScoreFunction

TOY = GaussianToy(k=-3.0)
CPU = torch.device("cpu")


def test_the_seed_depends_on_all_it_should() -> None:
    seeds = {
        block_seed(problem, count, point, seed, size, index)
        for problem in (TOY, GaussianToy())
        for count in (1, 2)
        for point in ("init", "optimum")
        for seed in (0, 1)
        for size in (8, 16)
        for index in (0, 1)
    }
    assert len(seeds) == 64
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_estimators_that_draw_alike_see_the_same_draws() -> None:
    """A cold moving average is the plain score function, to the bit, since the seed knows no estimator."""
    settings = [Setting(TOY, estimator, 3, TOY.init()) for estimator in (ScoreFunction(), MovingAverageBaseline())]
    plain, cold = (measure_block(setting, 64, 7) for setting in settings)
    np.testing.assert_array_equal(plain.mean, cold.mean)


@pytest.mark.parametrize(
    ("numel", "num_samples", "size"), [(2, 1, 4096), (2, 2**10, 1024), (2**12, 1, 256), (2**17, 1, 8), (2**22, 1, 8)]
)
def test_the_size_follows_the_largest_tensor(numel: int, num_samples: int, size: int) -> None:
    assert block_size(TOY, num_samples, {"x": torch.zeros(numel)}) == size


def test_generators_are_given_back_as_they_were() -> None:
    before = torch.default_generator.get_state()
    measure_block(Setting(TOY, ScoreFunction(), 1, TOY.init()), 64, 1)
    warm_state(Setting(TOY, MovingAverageBaseline(), 1, TOY.init()), 1)
    assert torch.equal(torch.default_generator.get_state(), before)
    with pytest.raises(RuntimeError), seeded(3, CPU):
        torch.rand(3).view(2)
    assert torch.equal(torch.default_generator.get_state(), before)


def test_same_seed_same_numbers_other_seed_others() -> None:
    setting = Setting(TOY, ScoreFunction(), 1, TOY.init())
    first, again, other = (measure_block(setting, 64, seed).mean for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_warm_state_is_one_replicates_and_is_frozen() -> None:
    """The warm average is near E[cost] = a² + s² = 17: within 5 sd of an average over about 19 costs (decay .9)."""
    setting = Setting(TOY, MovingAverageBaseline(), 100, TOY.init())
    state = warm_state(setting, 11)
    assert state["average"].shape == ()
    sd = (4 * 16 + 2) ** 0.5 / (100 * 19) ** 0.5
    assert abs(float(state["average"] / state["weight"]) - 17) < 5 * sd
    blocks = [measure_block(Setting(TOY, MovingAverageBaseline(), 1, TOY.init(), state), 64, 2) for _ in range(2)]
    np.testing.assert_array_equal(blocks[0].mean, blocks[1].mean)


def test_lifting_copies() -> None:
    tree = {"a": torch.ones(2), "b": (torch.zeros(()),)}
    lift = lifted(tree, 3)
    lift["a"][0] = 5.0
    assert lift["a"].shape == (3, 2)
    assert lift["b"][0].shape == (3,)
    assert torch.equal(tree["a"], torch.ones(2))


def test_three_noises_of_a_minibatch() -> None:
    """The oracle under a minibatch has no noise of its own; a sampling method has both, and the same rows' noise."""
    problem = Minibatch(LinearGaussian(rows=12), size=5)
    params = problem.init()
    exact = measure_block(Setting(problem, ExactGradient(), 1, params), 2048, 3)
    sampled = measure_block(Setting(problem, Reparameterization(), 1, params), 2048, 3)
    assert exact.paired
    assert sampled.paired
    assert np.abs(exact.within_traces).max() == 0
    rows_only, rows_too = exact.traces[:, 0], (sampled.traces - sampled.within_traces)[:, 0]
    error = np.hypot(rows_only.std(), rows_too.std()) / len(rows_only) ** 0.5
    assert abs(rows_only.mean() - rows_too.mean()) < 5 * error
    assert sampled.within_traces[:, 0].mean() > 0


def test_minibatch_variance_is_the_enumerated_one() -> None:
    """The oracle's variance over all minibatches of a tiny problem, against the measured one at 5 standard errors."""
    problem = Minibatch(LinearGaussian(rows=6), size=2)
    inner, params = problem.template, problem.init()
    index = torch.combinations(torch.arange(6), 2)
    each = ExactGradient().estimate(inner.select(index), lifted(params, len(index)), (), 1).gradient
    truth = sum(float(value.reshape(len(index), -1).var(0, correction=0).sum()) for value in each.values())
    traces = np.concatenate(
        [measure_block(Setting(problem, ExactGradient(), 1, params), 2048, seed).traces[:, 0] for seed in range(4)]
    )
    assert abs(traces.mean() - truth) < 5 * traces.std() / len(traces) ** 0.5


def test_specs_round_trip_over_the_catalogue() -> None:
    for name in specs.names("estimator"):
        assert str(specs.estimator(f"{name}()")) == f"{name}()"
