"""Rows drawn for pairs of replicates, and the identity that makes them stand for all rows."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.problems import (
    BayesianLogisticRegression,
    BernoulliVAE,
    GaussianToy,
    LinearGaussian,
    Minibatch,
)
from gradmark.benchmarks.specs import problem as resolve
from gradmark.estimators.core import LatentVariableModel, Problem


def rows_drawn(problem: Minibatch, replicates: int) -> torch.Tensor:
    view = problem.draw(replicates)
    assert view._selected is not None
    return view._selected


@pytest.mark.parametrize("replicates", [1, 2, 7, 8])
def test_pairs_share_rows_without_repetition(replicates: int) -> None:
    torch.manual_seed(0)
    index = rows_drawn(Minibatch(LinearGaussian(), size=10), replicates)
    assert index.shape == (replicates, 10)
    for one in range(replicates):
        assert len(set(index[one].tolist())) == 10
        assert torch.equal(index[one], index[one - one % 2])
    for one, other in itertools.combinations(range(0, replicates, 2), 2):
        assert not torch.equal(index[one], index[other])


def test_every_row_is_as_likely_as_any_other() -> None:
    """4 000 draws of 16 rows of 64: inclusions are binomial; 5 standard errors are passed by luck 4e-5 of the time."""
    torch.manual_seed(0)
    index = rows_drawn(Minibatch(LinearGaussian(), size=16), 8000)[::2]
    share = torch.bincount(index.flatten(), minlength=64) / 4000
    assert (share - 0.25).abs().max().item() < 5 * math.sqrt(0.25 * 0.75 / 4000)


@pytest.mark.parametrize("inner", [LinearGaussian(rows=6), BernoulliVAE(rows=6, latents=2)], ids=str)
@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_the_mean_over_all_minibatches_is_the_oracle(inner: LatentVariableModel, size: int) -> None:
    index = torch.tensor(list(itertools.combinations(range(6), size)))
    params = {name: value.requires_grad_() for name, value in inner.init().items()}
    lifted = {name: value.expand(len(index), *value.shape) for name, value in params.items()}
    exact, parts = inner.exact(params), inner.select(index).exact(lifted)
    assert exact is not None
    assert parts is not None
    mean = parts.sum() / len(index)
    torch.testing.assert_close(mean, exact.sum(), rtol=1e-12, atol=0)
    leaves = list(params.values())
    for found, expected in zip(
        torch.autograd.grad(mean, leaves), torch.autograd.grad(exact.sum(), leaves), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


def test_a_minibatch_of_all_rows_is_all_rows() -> None:
    inner = BayesianLogisticRegression()
    torch.manual_seed(0)
    view = Minibatch(inner, size=569).draw(1)
    lifted = {name: value.unsqueeze(0) for name, value in inner.init().items()}
    torch.testing.assert_close(view.exact(lifted)[0], inner.exact(inner.init()), rtol=1e-12, atol=0)  # type: ignore[index]


def test_what_is_drawn_is_the_inner_problem() -> None:
    inner = LinearGaussian()
    source = Minibatch(inner, size=8)
    params = source.init()
    z = source.distribution(params).sample((2,))
    q = inner.distribution(params)
    assert source.template is inner
    assert source.draw(4) == inner
    assert source.draw(4).likelihood_weight == 8
    torch.testing.assert_close(source.exact(params), inner.exact(params))
    torch.testing.assert_close(source.cost(params, z, q), inner.cost(params, z, q))
    assert source.no_oracle is None
    assert source.footprint == inner.footprint // 8
    assert Minibatch(BernoulliVAE(latents=13), size=2).no_oracle is not None


def test_text_names_the_inner_problem() -> None:
    text = 'Minibatch(problem=GaussianVAE(data="mnist-5k", latents=20, hidden=500), size=50)'
    assert str(resolve(text)) == text
    assert str(resolve("Minibatch(LinearGaussian(rows=200))")) == "Minibatch(problem=LinearGaussian(rows=200))"


@pytest.mark.parametrize("size", [0, -1, 65])
def test_impossible_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=rf"Minibatch\(size={size}\).*64 rows; pass 1 to 64"):
        Minibatch(LinearGaussian(), size=size)


@pytest.mark.parametrize("inner", [GaussianToy(), Minibatch(LinearGaussian(), size=2)], ids=str)
def test_problems_without_rows_are_refused(inner: Problem) -> None:
    with pytest.raises(ValueError, match="no rows of data"):
        Minibatch(inner, size=1)


def test_the_default_size_may_not_fit() -> None:
    with pytest.raises(BadInput, match="pass 1 to 64"):
        resolve("Minibatch(LinearGaussian())")
