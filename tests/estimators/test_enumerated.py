"""The enumerated distribution against torch's own, of which it is the table."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal, OneHotCategorical, kl_divergence

from gradmark.estimators.core import Enumerated

LOGITS = torch.tensor([[0.3, -1.2, 2.0], [0.0, 0.7, -0.4]], dtype=torch.float64)
STATES = torch.tensor(list(itertools.product((0.0, 1.0), repeat=3)), dtype=torch.float64)
BITS = Independent(Bernoulli(logits=LOGITS), 1)
TABLE = Enumerated(STATES, BITS.log_prob(STATES.unsqueeze(1)).T)


def test_its_numbers_are_those_of_the_bits_it_tabulates() -> None:
    assert (TABLE.batch_shape, TABLE.event_shape) == ((2,), (3,))
    torch.testing.assert_close(TABLE.mean, BITS.mean)
    torch.testing.assert_close(TABLE.variance, BITS.variance)
    torch.testing.assert_close(TABLE.entropy(), BITS.entropy())
    z = BITS.sample((5,))
    torch.testing.assert_close(TABLE.log_prob(z), BITS.log_prob(z))
    assert TABLE.log_prob(torch.full((2, 3), 0.5, dtype=torch.float64)).tolist() == [-math.inf] * 2
    assert TABLE.enumerate_support().shape == (8, 2, 3)
    assert TABLE.expand((4, 2)).batch_shape == (4, 2)


def test_divergences_in_both_directions() -> None:
    other = Independent(Bernoulli(logits=LOGITS.flip(0)), 1)
    table = Enumerated(STATES.flip(0), other.log_prob(STATES.flip(0).unsqueeze(1)).T)
    expected = kl_divergence(BITS, other)
    for q, p in itertools.product((BITS, TABLE), (other, table)):
        torch.testing.assert_close(kl_divergence(q, p), expected)
    normal = Independent(Normal(torch.zeros(2, 3).double(), 1.0), 1)
    assert kl_divergence(normal, Enumerated(STATES, LOGITS.new_zeros(2, 8))).tolist() == [math.inf] * 2


def test_a_state_without_probability_counts_nothing() -> None:
    certain = Enumerated(STATES, torch.tensor([0.0] + [-math.inf] * 7, dtype=torch.float64))
    assert certain.entropy() == 0
    assert float(kl_divergence(certain, TABLE)[0]) == pytest.approx(-float(TABLE.logits[0, 0]))
    assert kl_divergence(TABLE, certain).tolist() == [math.inf] * 2


def test_draws_have_its_mean() -> None:
    """100 000 draws; 6 coordinates within 5 standard errors, which chance breaks once in 3e5 runs."""
    torch.manual_seed(0)
    z = TABLE.sample((100_000,))
    assert z.shape == (100_000, 2, 3)
    assert ((z.mean(0) - TABLE.mean).abs() < 5 * (TABLE.variance / 100_000).sqrt()).all()
    assert not ((z.mean(0) - TABLE.mean.flip(0)).abs() < 5 * (TABLE.variance / 100_000).sqrt()).all()


def test_events_of_two_axes() -> None:
    one_hot = torch.eye(3, dtype=torch.float64)
    states = torch.stack([torch.stack(pair) for pair in itertools.product(one_hot, one_hot)])
    pair = Independent(OneHotCategorical(logits=LOGITS), 1)
    table = Enumerated(states, pair.log_prob(states))
    assert (table.batch_shape, table.event_shape) == ((), (2, 3))
    torch.testing.assert_close(table.mean, pair.mean)
    torch.testing.assert_close(table.variance, pair.variance)
    z = pair.sample((4,))
    torch.testing.assert_close(table.log_prob(z), pair.log_prob(z))
    assert table.sample((7,)).shape == (7, 2, 3)


def test_logits_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="pass 8 logits"):
        Enumerated(STATES, torch.zeros(7))
