"""The recursions of a hidden Markov model against the sum over all paths, and the chain against itself."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.distributions import kl_divergence

from gradmark.benchmarks.problems import HiddenMarkovModel
from gradmark.benchmarks.problems.distributions.markov_chain import MarkovChain
from gradmark.benchmarks.training.evidence import decompose
from gradmark.estimators.core import Enumerated, Params, gradient_of_sum

PROBLEM = HiddenMarkovModel(states=2, symbols=3, steps=4, rows=3)
EYE = torch.eye(2, dtype=torch.float64)
PATHS = torch.stack([EYE[list(path)] for path in itertools.product(range(2), repeat=4)])  # [16, 4, 2]


def params() -> Params:
    noise = torch.Generator().manual_seed(2)
    return {n: v + torch.randn(2, *v.shape, generator=noise, dtype=torch.float64) for n, v in PROBLEM.init().items()}


def joint(given: Params) -> torch.Tensor:
    """log p(x, z) of every path, `[2, 3, 16]`."""
    return PROBLEM.log_joint(given, PATHS[:, None, None].expand(16, 2, 3, 4, 2)).movedim(0, -1)


def test_evidence_and_posterior_are_sums_over_paths() -> None:
    given = params()
    table, chain = Enumerated(PATHS, joint(given)), PROBLEM.posterior(given)
    torch.testing.assert_close(PROBLEM.log_evidence(given), joint(given).logsumexp(-1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(chain.mean, table.mean, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(Enumerated.table(chain, PATHS).probs, table.probs, rtol=1e-11, atol=1e-13)
    moves = table.probs @ (PATHS[:, :-1, :, None] * PATHS[:, 1:, None, :]).flatten(1)
    torch.testing.assert_close(chain.pairs.flatten(-3), moves, rtol=1e-11, atol=1e-12)


def test_divergences_are_sums_over_paths() -> None:
    given = params()
    q, prior, posterior = PROBLEM.distribution(given), PROBLEM.prior(given), PROBLEM.posterior(given)
    for a, b in ((q, prior), (q, posterior), (posterior, prior)):
        expected = kl_divergence(Enumerated.table(a, PATHS), Enumerated.table(b, PATHS))
        torch.testing.assert_close(kl_divergence(a, b), expected, rtol=1e-11, atol=1e-12)
    split = decompose(PROBLEM, given)
    assert split is not None
    assert (split.residual.abs() <= 64 * split.rounding).all()
    assert (split.divergence > 0.01).all()  # mean field does not hold a chain


def test_draws_of_the_chain_have_its_marginals() -> None:
    """20 000 draws, 48 coordinates within 5 standard errors: by chance once in 3e4 runs; and not those of the prior."""
    chain, prior = PROBLEM.posterior(params()), PROBLEM.prior(params())
    torch.manual_seed(0)
    drawn = chain.sample((20_000,))
    assert drawn.shape == (20_000, 2, 3, 4, 2)
    error = (chain.mean * (1 - chain.mean) / 20_000).sqrt() + 1e-12
    assert ((drawn.mean(0) - chain.mean).abs() < 5 * error).all()
    assert not ((drawn.mean(0) - prior.mean).abs() < 5 * error).all()


def test_the_step_is_where_the_expected_log_joint_is_stationary() -> None:
    before = params()
    weight, after = joint(before).softmax(-1), PROBLEM.maximise(before)
    for given, least, most in ((after, 0.0, 1e-10), (before, 1e-3, 1e9)):
        leaves = {name: value.clone().requires_grad_() for name, value in given.items()}
        gradient = gradient_of_sum((weight * joint(leaves)).sum(-1), leaves)
        assert least <= max(float(value.abs().max()) for value in gradient.values()) <= most


def test_a_state_that_is_never_visited_and_bad_sizes() -> None:
    given = PROBLEM.init()
    away = {"initial_logits": torch.tensor([0.0, -800.0]), "transition_logits": torch.tensor([[0.0, -800.0]] * 2)}
    with pytest.raises(ValueError, match="state 1 is empty: it answers for 0 of 12 symbols; use fewer states"):
        PROBLEM.maximise(given | {name: value.double() for name, value in away.items()})
    with pytest.raises(ValueError, match="a chain makes a move; pass 2 or more"):
        HiddenMarkovModel(steps=1)
    assert isinstance(PROBLEM.prior(given), MarkovChain)
