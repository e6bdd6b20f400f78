"""Gumbel-Rao against quadrature over the noise that its hard draw leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from torch import Tensor

from gradmark.benchmarks.problems import BernoulliToy, CategoricalToy
from gradmark.estimators import GumbelRao
from gradmark.estimators.core import Params, Problem, State
from gradmark.estimators.draws import cost_at
from gradmark.estimators.requirements import BitsOrCategories
from tests.estimators import relaxed_bits
from tests.estimators.agreement import assert_agrees, assert_mean, assert_variance, measured

FEWER = 2**16
ODDS = [(0.3, 0.45, 0.5), (0.85, 0.8, 0.7), (0.1, 0.45, 1.0)]


def of_one_bit(p: float, t: float, temperature: float, inner: int) -> tuple[float, float]:
    """Var E[g | b] + E Var[g | b] / inner, where g is one draw of straight-through Gumbel-softmax."""
    u, weight = relaxed_bits.panels(0.0, (1 - p) / 2, 1 - p, 1 - p / 2, 1.0)
    soft = ((u.logit() + u.new_tensor(p).logit()) / temperature).sigmoid()
    b = (u > 1 - p).double()
    g = 2 * (b - t) * soft * (1 - soft) / temperature
    mean, variance = (weight * g).sum().item(), 0.0
    for state, chance in ((0, 1 - p), (1, p)):
        given = weight * (b == state) / chance
        middle = (given * g).sum().item()
        spread = (given * g**2).sum().item() - middle**2
        variance += chance * ((middle - mean) ** 2 + spread / inner)
    return mean, variance


@pytest.mark.parametrize("inner", [1, 4])
@pytest.mark.parametrize(("p", "t", "temperature"), ODDS)
def test_one_bit(p: float, t: float, temperature: float, inner: int) -> None:
    mean, variance = of_one_bit(p, t, temperature, inner)
    assert_agrees(measured(BernoulliToy((p,), t), GumbelRao(temperature, inner), 1, FEWER), (mean, variance))


def test_one_inner_draw_is_straight_through_gumbel_softmax() -> None:
    assert of_one_bit(0.3, 0.45, 0.5, 1) == pytest.approx(relaxed_bits.gumbel_softmax(0.3, 0.45, 0.5, True))


def test_two_categories_are_a_bit() -> None:
    mean, variance = of_one_bit(0.3, 0.45, 0.7, 4)
    moments = measured(CategoricalToy((0.7, 0.3), 0.45), GumbelRao(0.7, 4), 1, FEWER)
    assert_mean(moments, 0, -mean, variance)
    assert_mean(moments, 1, mean, variance)
    assert_variance(moments, 1, 2 * variance)


@dataclass(frozen=True)
class ThroughTheConditional(GumbelRao):
    """Wrong: differentiates the noise given b too, which p(z | b) makes depend on the logits; the mean is another."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        relaxed, b = BitsOrCategories().of(q), q.sample((num_samples,))
        again = relaxed.given(b.expand(self.inner, *b.shape).flatten(0, 1))
        soft = relaxed.soft(again, self.temperature).unflatten(0, (self.inner, num_samples)).mean(0)
        return cost_at(problem, params, b + (soft - soft.detach())).mean(0), state


@dataclass(frozen=True)
class Unconditioned(GumbelRao):
    """Wrong: the noise does not know the hard draw."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        relaxed, b = BitsOrCategories().of(q), q.sample((num_samples,))
        noisy = relaxed.noisy(self.inner * num_samples)
        soft = relaxed.soft(noisy, self.temperature).unflatten(0, (self.inner, num_samples)).mean(0)
        return cost_at(problem, params, b + (soft - soft.detach())).mean(0), state


@pytest.mark.parametrize("wrong", [ThroughTheConditional, Unconditioned])
def test_a_wrong_conditional_is_rejected(wrong: type[GumbelRao]) -> None:
    """No check of ours sees these, as the method is declared biased: only the quadrature does."""
    moments = measured(BernoulliToy((0.3,), 0.45), wrong(0.5, 4), 1, FEWER)
    with pytest.raises(AssertionError, match=r"errors from|is off"):
        assert_agrees(moments, of_one_bit(0.3, 0.45, 0.5, 4))


@pytest.mark.parametrize(("fields", "message"), [({"temperature": 0.0}, "positive"), ({"inner": 0}, "at least 1")])
def test_refused_fields(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GumbelRao(**fields)
