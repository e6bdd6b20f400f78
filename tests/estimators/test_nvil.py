"""The learned baseline: mean and variance by enumeration of all states of all rows, and what it learns."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from gradmark.benchmarks.checks.cases import HOST, Case
from gradmark.benchmarks.measurement.block import Setting, lifted, seeded, warm_state
from gradmark.benchmarks.problems import BernoulliToy, BernoulliVAE, GammaPosterior, LinearGaussian
from gradmark.estimators import NVIL
from gradmark.estimators.core import LatentVariableModel, Params, Problem, detached
from tests.estimators.agreement import assert_mean, assert_variance, measured

PROBLEM = BernoulliVAE(latents=2, rows=3)
PARAMS = Case(PROBLEM).params
COLD = NVIL().init(PROBLEM, PARAMS)


def baseline(state: Any, problem: LatentVariableModel = PROBLEM, params: Params = PARAMS) -> Tensor:
    """b(x) + c of each row, `[rows]`."""
    c = state["average"] / state["weight"] if state["weight"] > 0 else 0.0
    return problem.observations(params) @ state["slope"] + c


def enumerated(of_rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of one draw `[P]`: rows are independent, so that what each of them adds is added up."""
    params = {name: value.clone().requires_grad_() for name, value in PARAMS.items()}
    q = PROBLEM.distribution(params)
    mean = variance = torch.zeros(sum(value.numel() for value in PARAMS.values()), dtype=torch.float64)
    states = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    z = states.unsqueeze(1).expand(4, 3, 2)
    cost, log_q = PROBLEM.cost(params, z, PROBLEM.distribution(detached(params))), q.log_prob(z)
    for row in range(3):
        first = second = torch.zeros_like(mean)
        for state in range(4):
            weight = log_q[state, row].exp().detach()
            loss = (cost[state, row].detach() - of_rows[row]) * log_q[state, row] + cost[state, row]
            found = torch.autograd.grad(
                loss, list(params.values()), retain_graph=True, allow_unused=True, materialize_grads=True
            )
            gradient = torch.cat([value.reshape(-1) for value in found])
            first, second = first + weight * gradient, second + weight * gradient**2
        mean, variance = mean + first, variance + second - first**2
    return mean, variance


@cache
def learned(rate: float = 0.1, decay: float = 0.9) -> Any:
    return warm_state(Setting(PROBLEM, NVIL(rate, decay), 1, PARAMS), 3)


def arbitrary() -> Any:
    """A state that has learned nothing."""
    slope = torch.cos(torch.arange(64, dtype=torch.float64))
    return {"slope": slope, "average": torch.tensor(3.0).double(), "weight": torch.tensor(0.4).double()}


@pytest.mark.each_once
@pytest.mark.parametrize("draws", [1, 4])
@pytest.mark.parametrize("name", ["cold", "arbitrary", "learned"])
def test_every_state(name: str, draws: int) -> None:
    state = {"cold": lambda: COLD, "arbitrary": arbitrary, "learned": learned}[name]()
    mean, variance = enumerated(baseline(state))
    assert torch.allclose(mean, enumerated(torch.zeros(3))[0], 1e-9, 1e-9)
    moments = measured(PROBLEM, NVIL(), draws, 2**13, PARAMS, state)
    for index, (expected, spread) in enumerate(zip(mean.tolist(), variance.tolist(), strict=True)):
        if spread > 1e-12:
            assert_mean(moments, index, expected, spread / draws)
    assert_variance(moments, 0, float(variance.sum()) / draws)


def test_what_is_learned_takes_noise_away() -> None:
    """Beyond the plain score function's, a hundredfold here, and, where rows differ, a constant's as well."""
    plain, warm = (float(enumerated(baseline(state))[1].sum()) for state in (COLD, learned()))
    assert warm < plain / 100
    model = LinearGaussian()
    params = Case(model).params
    expected = model.exact(params)
    state = warm_state(Setting(model, NVIL(), 2, params), 0)
    left = expected - baseline(state, model, params)
    assert left.square().mean() < (expected - expected.mean()).square().mean() / 2


def test_one_step_is_the_formula() -> None:
    """From a state at hand: what is subtracted is the state of before, and what comes back is the next one."""
    state, x = arbitrary(), PROBLEM.observations(PARAMS)
    with seeded(5, HOST):
        found = NVIL(rate=0.3, decay=0.8).estimate(PROBLEM, lifted(PARAMS, 1), lifted(state, 1), 2).state
    with seeded(5, HOST):
        q = PROBLEM.distribution(lifted(PARAMS, 1))
        z = q.sample((2,))[:, 0]
    cost = PROBLEM.cost(PARAMS, z, PROBLEM.distribution(PARAMS))
    residual = cost - baseline(state)
    step = torch.einsum("ki,id->d", residual, x) / 6 / (1 + x.square().sum(1).mean())
    expected = {
        "slope": state["slope"] + 0.3 * step,
        "average": 0.8 * state["average"] + 0.2 * (cost - x @ state["slope"]).mean(),
        "weight": 0.8 * state["weight"] + 0.2,
    }
    for name, value in expected.items():
        assert torch.allclose(found[name][0], value, 1e-12, 1e-12), name


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_the_largest_rate_does_not_diverge(decay: float) -> None:
    assert baseline(learned(1.0, decay)).abs().max() < 1e3
    with pytest.raises(ValueError, match=r"NVIL\(rate=1.5\)"):
        NVIL(rate=1.5)


@pytest.mark.parametrize(("problem", "reason"), [(BernoulliToy(), "no rows"), (GammaPosterior(), "share one z")])
def test_needs_rows_with_a_latent_each(problem: Problem, reason: str) -> None:
    assert reason in (NVIL().refuses(problem, 1) or "")
