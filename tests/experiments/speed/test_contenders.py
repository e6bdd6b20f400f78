"""Every peer measures the variance that gradmark measures, on a small problem of each kind, and others are caught."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.func import grad, vmap

from gradmark.benchmarks.experiments.speed import works
from gradmark.benchmarks.experiments.speed.agreement import agreement, disagreement
from gradmark.benchmarks.experiments.speed.contenders import Absent, Contender, gradmark, with_total
from gradmark.benchmarks.experiments.speed.operations import operations
from gradmark.benchmarks.experiments.speed.peers import PEERS
from gradmark.benchmarks.experiments.speed.peers.running import PerCoordinate, Sums
from gradmark.benchmarks.experiments.speed.peers.surrogates import noise_of, surrogate_of
from gradmark.benchmarks.experiments.speed.rounds import Timed
from gradmark.benchmarks.measurement.block import measure_block
from gradmark.estimators import DisARM, LeaveOneOut, Reparameterization

HOST = torch.device("cpu")
ROUNDS = 12
FAST = ("gradmark", "vmap", "JAX scan", "JAX")


def found(contender: Contender, fast: int = 128) -> Timed:
    """Some rounds without a clock; those that make one replicate at a time make few."""
    size = -(-(fast if contender.name in FAST else 12) // contender.least) * contender.least
    traces = np.array([contender.turn(size, seed) for seed in range(ROUNDS)])
    return Timed(contender.name, size, np.ones(ROUNDS), traces)


@pytest.mark.each_once
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", works.NAMES)
def test_a_peer_measures_the_same_variances(name: str, peer: str) -> None:
    """False alarms: one in ten thousand for each combination, at fixed seeds."""
    work = works.work(name, small=True)
    try:
        contender = PEERS[peer](work, HOST)
    except Absent as absent:
        pytest.skip(f"{peer}: {absent}")
    ours, theirs = found(gradmark(work, HOST)), found(contender)
    assert disagreement(theirs, ours, list(work.problem.init())) is None
    assert ours.traces.shape == theirs.traces.shape


@pytest.mark.parametrize("name", works.NAMES)
def test_the_losses_of_the_peers_have_gradmark_s_mean(name: str) -> None:
    """Six standard errors of each coordinate: one false alarm in a hundred thousand for the largest network."""
    work = works.work(name, small=True)
    setting, size = work.setting(HOST), 512
    moments = measure_block(setting, size, 0)
    noise = noise_of(work, size, HOST, torch.Generator().manual_seed(0))
    found = vmap(grad(surrogate_of(work, work.rows(HOST))), in_dims=(None, 0))(setting.params, noise)
    gradient = torch.cat([part.flatten(1) for part in found.values()], 1).double().numpy()
    stderr = np.sqrt(gradient.var(0, ddof=1) / size + moments.second / size**2)
    assert np.all(np.abs(gradient.mean(0) - moments.mean) <= 6 * stderr + 1e-6)


@pytest.mark.parametrize("name", works.NAMES)
def test_the_works_are_as_named(name: str) -> None:
    large, small = works.work(name), works.work(name, small=True)
    assert type(large.problem) is type(small.problem)
    assert type(large.estimator).__name__ in name or isinstance(large.estimator, Reparameterization)
    assert large.estimator.refuses(large.problem, large.num_samples) is None
    assert operations(small) == 0 if "toy" in name else operations(small) > 0


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("Bernoulli VAE, LeaveOneOut, 2 draws", DisARM()), ("toy, LeaveOneOut, 2 draws", Reparameterization())],
)
def test_a_peer_with_another_estimator_is_caught(name: str, wrong: object) -> None:
    work = works.work(name, small=True)
    assert isinstance(work.estimator, LeaveOneOut)
    other = PEERS["vmap"](replace(work, estimator=wrong), HOST)
    fault = disagreement(found(other, 1024), found(gradmark(work, HOST), 1024), list(work.problem.init()))
    assert fault is not None
    assert "vmap's variance of all is 0." in fault


def timed(name: str, means: list[float], spread: float, replicates: int) -> Timed:
    noise = np.random.default_rng(3).normal(size=(ROUNDS, len(means))) * spread
    return Timed(name, replicates, np.ones(ROUNDS), np.array(means) * (1 + noise))


def test_a_wrong_tensor_is_caught_where_the_total_is_right() -> None:
    ours = timed("gradmark", [10.0, 9.0, 1.0], 0.01, 1000)
    assert disagreement(timed("peer", [10.0, 9.0, 1.0], 0.01, 1000), ours, ["a", "b"]) is None
    fault = disagreement(timed("peer", [10.0, 9.0, 1.5], 0.01, 1000), ours, ["a", "b"])
    assert fault is not None
    assert fault.startswith("peer's variance of b is 1.5 times gradmark's")
    assert fault.isascii()
    none = timed("gradmark", [0.0, 0.0], 0.0, 10)
    assert disagreement(none, none, ["a"]) is None
    assert disagreement(ours, timed("gradmark", [10.0, 9.0, 0.0], 0.01, 1000), ["a", "b"]) is not None


def test_a_peer_of_few_replicates_has_the_spread_of_as_many_of_gradmark() -> None:
    ours, few = timed("gradmark", [10.0, 10.0], 0.01, 10_000), timed("peer", [4.0, 4.0], 0.01, 1)
    assert disagreement(few, ours, ["a"]) is None  # its own rounds hardly differ, as a tail is missing from all
    assert disagreement(replace(few, replicates=10_000), ours, ["a"]) is not None
    ends = agreement(few, ours).ci
    assert ends is not None
    assert ends[0] < 1 < ends[1]


@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.parametrize("kind", [Sums, PerCoordinate])
def test_running_variances_are_those_of_all_replicates(kind: type, chunk: int) -> None:
    draw = torch.Generator().manual_seed(0)
    gradient = [torch.randn(12, 2, 3, generator=draw) + 1, torch.randn(12, 4, generator=draw)]
    running = kind([part.shape[1:] for part in gradient], HOST)
    for start in range(0, 12, chunk):
        running.add([part[start : start + chunk] for part in gradient])
    expected = with_total(np.array([float(part.double().var(0).sum()) for part in gradient]))
    np.testing.assert_allclose(running.traces(), expected, rtol=1e-5)
