"""The Gumbel-softmax estimators against quadrature, and the relaxed draws against their distribution."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Independent, OneHotCategorical

from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.problems import BernoulliToy, CategoricalToy, GaussianToy
from gradmark.estimators import GumbelSoftmax, StraightThroughGumbelSoftmax
from gradmark.estimators.core import Estimator
from gradmark.estimators.couplings import GumbelOneHot, LogisticBits, Relaxation, relaxation
from tests.estimators import relaxed_bits
from tests.estimators.agreement import assert_agrees, assert_mean, assert_variance, measured

FEWER = 2**16
HOST = torch.device("cpu")
ODDS = [(0.3, 0.45, 0.5), (0.85, 0.8, 0.7), (0.1, 0.45, 1.0)]
PROBS = torch.tensor([[0.3, 0.8, 0.55]], dtype=torch.float64)
RELAXED: list[Relaxation] = [LogisticBits(PROBS.logit()), GumbelOneHot((PROBS / PROBS.sum()).log())]
each_relaxation = pytest.mark.parametrize("relaxed", RELAXED, ids=lambda each: type(each).__name__)


def test_known_mean() -> None:
    """p = .3, t = .45, temperature ½: −.0218, where the gradient is +.021."""
    assert relaxed_bits.gumbel_softmax(0.3, 0.45, 0.5, True)[0] == pytest.approx(-0.0218, abs=5e-5)


@pytest.mark.parametrize("straight_through", [False, True])
@pytest.mark.parametrize(("p", "t", "temperature"), ODDS)
def test_one_bit(p: float, t: float, temperature: float, straight_through: bool) -> None:
    estimator = (StraightThroughGumbelSoftmax if straight_through else GumbelSoftmax)(temperature)
    answer = relaxed_bits.gumbel_softmax(p, t, temperature, straight_through)
    assert_agrees(measured(BernoulliToy((p,), t), estimator, 1, FEWER), answer)
    mean, variance = answer
    assert_agrees(measured(BernoulliToy((p,), t), estimator, 3, FEWER), (mean, variance / 3))


@pytest.mark.parametrize("straight_through", [False, True])
def test_two_categories_are_a_bit(straight_through: bool) -> None:
    """The difference of two Gumbels is logistic: the logits' gradients are those of the bit, with both signs."""
    estimator = (StraightThroughGumbelSoftmax if straight_through else GumbelSoftmax)(0.7)
    mean, variance = relaxed_bits.gumbel_softmax(0.3, 0.45, 0.7, straight_through)
    moments = measured(CategoricalToy((0.7, 0.3), 0.45), estimator, 1, FEWER)
    assert_mean(moments, 0, -mean, variance)
    assert_mean(moments, 1, mean, variance)
    assert_variance(moments, 1, 2 * variance)


@each_relaxation
def test_hard_draws_have_their_probabilities(relaxed: Relaxation) -> None:
    with seeded(1, HOST):
        b = relaxed.hard(relaxed.noisy(2**16))
    p = PROBS if isinstance(relaxed, LogisticBits) else PROBS / PROBS.sum()
    assert ((b.mean(0) - p).abs() / (p * (1 - p) / 2**16).sqrt()).max() < 5  # two-sided 6e-7, for three numbers


@each_relaxation
def test_what_is_drawn_again_falls_into_the_same_state(relaxed: Relaxation) -> None:
    with seeded(2, HOST):
        b = relaxed.hard(relaxed.noisy(2**14))
        assert torch.equal(relaxed.hard(relaxed.given(b)), b)


@each_relaxation
def test_what_is_drawn_again_has_the_same_distribution(relaxed: Relaxation) -> None:
    """Moments of the softened draws, squares and products, of z and z̃: bounded, so that errors are normal."""
    with seeded(3, HOST):
        z = relaxed.noisy(2**16)
        pair = [relaxed.soft(each, 0.5)[:, 0] for each in (z, relaxed.given(relaxed.hard(z)))]
    features = [torch.cat([x, x**2, x[:, :1] * x[:, 1:]], 1) for x in pair]
    difference = features[0] - features[1]
    assert (difference.mean(0).abs() / (difference.std(0) / 2**8)).max() < 5.5  # two-sided 4e-8, for eight numbers


@each_relaxation
def test_slope_of_what_is_drawn_again(relaxed: Relaxation) -> None:
    """∂z̃/∂logits at fixed noise, against central differences."""
    step = torch.tensor([1e-6, -2e-6, 3e-6], dtype=torch.float64)
    with seeded(4, HOST):
        b = relaxed.hard(relaxed.noisy(64))

    def again(logits: torch.Tensor) -> torch.Tensor:
        with seeded(5, HOST):
            return type(relaxed)(logits).given(b)

    leaf = relaxed.logits.clone().requires_grad_()
    (found,) = torch.autograd.grad(again(leaf).sum(), leaf)
    difference = (again(leaf + step) - again(leaf - step)).sum().detach() / 2
    torch.testing.assert_close((found * step).sum(), difference, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_extreme_noise_and_logits_stay_finite(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uniforms of 0 and just below 1, logits of ±80: draws and slopes are numbers."""
    ends = torch.tensor([0.0, 1 - torch.finfo(dtype).eps / 2], dtype=dtype)
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: ends.view(2, 1).expand(shape).clone())
    logits = torch.tensor([-80.0, 0.0, 80.0], dtype=dtype)
    for kind, given in ((LogisticBits, logits), (GumbelOneHot, logits.log_softmax(-1))):
        leaf = given.clone().requires_grad_()
        relaxed = kind(leaf)
        z = relaxed.noisy(2)
        soft = [relaxed.soft(each, 0.5) for each in (z, relaxed.given(relaxed.hard(z)))]
        (slope,) = torch.autograd.grad(soft[0].sum() + (soft[1] * logits).sum(), leaf)
        assert all(each.isfinite().all() for each in (*soft, slope))


def test_which_distributions_have_a_relaxation() -> None:
    logits = PROBS.logit()
    assert isinstance(relaxation(Independent(Bernoulli(logits=logits), 1)), LogisticBits)
    assert isinstance(relaxation(OneHotCategorical(logits=logits)), GumbelOneHot)
    assert isinstance(relaxation(Independent(OneHotCategorical(logits=logits), 1)), GumbelOneHot)
    assert relaxation(Bernoulli(logits=logits)) is None  # no event axis: each bit is a row


@pytest.mark.parametrize("cls", [GumbelSoftmax, StraightThroughGumbelSoftmax])
def test_refusals(cls: type[Estimator]) -> None:
    assert "neither of independent bits nor of one-hot categories" in (cls().refuses(GaussianToy(), 1) or "")
    with pytest.raises(ValueError, match="made neither of independent bits nor of one-hot"):
        cls().estimate(GaussianToy(), GaussianToy().init(), (), 1)
    with pytest.raises(ValueError, match=r"temperature=0.*positive"):
        cls(0.0)  # type: ignore[call-arg]
