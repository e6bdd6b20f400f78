"""Every method on every problem that it does not refuse, on torch's `meta` device: no GPU is needed to see a mix-up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch

from gradmark.benchmarks.checks import SUITE
from gradmark.benchmarks.checks.meta_device import META, estimated, kernels, on_meta
from gradmark.benchmarks.problems import BernoulliToy
from gradmark.benchmarks.training.solvers import Adam
from gradmark.estimators import ScoreFunction
from gradmark.estimators.core import Estimator, Params, Problem, State, SurrogateEstimator
from tests.methods import METHODS

PROBLEMS: list[Problem] = list({type(on.problem): on.problem for on in SUITE}.values())  # small ones, of every class


@pytest.fixture(autouse=True, scope="module")
def meta_kernels() -> Iterator[None]:
    with kernels():
        yield


def fewest(estimator: Estimator, problem: Problem) -> int | None:
    """The smallest number of samples that the method takes here; None where it refuses all."""
    return next((count for count in (1, 2, 4) if estimator.refuses(problem.template, count) is None), None)


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_every_method_stays_on_the_device(problem: Problem) -> None:
    tried = 0
    for estimator in METHODS:
        if (count := fewest(estimator, problem)) is not None:
            estimated(problem, estimator, count)
            tried += 1
    assert tried


def test_a_solver_stays_on_the_device() -> None:
    solver = Adam(ScoreFunction(), num_samples=2)
    problem, params = on_meta(BernoulliToy())
    moved, _ = solver.step(problem, params, solver.init(problem, params))
    assert {value.device for value in moved.values()} == {META}


@dataclass(frozen=True)
class AsksForANumber(SurrogateEstimator):
    """Wrong on a GPU: the host waits for a number."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int):
        q = problem.distribution(params)
        z = q.sample((num_samples,))
        return (problem.cost(params, z, q).max().item() * q.log_prob(z)).mean(0), state


@dataclass(frozen=True)
class NoiseOfTheHost(SurrogateEstimator):
    """Wrong on a GPU: noise is made on the CPU."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int):
        q = problem.distribution(params)
        z = (torch.rand(num_samples, *q.mean.shape) < q.mean).to(q.mean.dtype)
        return (problem.cost(params, z, q).detach() * q.log_prob(z)).mean(0), state


@pytest.mark.parametrize("wrong", [AsksForANumber(), NoiseOfTheHost()], ids=str)
def test_what_a_gpu_would_show_is_seen(wrong: Estimator) -> None:
    """Negative controls."""
    with pytest.raises(RuntimeError, match="meta"):
        estimated(BernoulliToy(), wrong, 2)
