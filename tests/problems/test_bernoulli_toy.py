"""The toy's oracle against enumeration in plain Python and the known gradient."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from gradmark.benchmarks.problems import BernoulliToy


@pytest.mark.parametrize("probs", [(0.3,), (0.2, 0.9), (0.5, 0.1, 0.7, 0.65)])
@pytest.mark.parametrize("target", [0.45, 0.499, 1.3])
def test_oracle_is_the_enumeration(probs: tuple[float, ...], target: float) -> None:
    problem = BernoulliToy(probs=probs, target=target)
    expected = 0.0
    for bits in itertools.product((0, 1), repeat=len(probs)):
        weight = math.prod(p if bit else 1 - p for p, bit in zip(probs, bits, strict=True))
        expected += weight * sum((bit - target) ** 2 for bit in bits)
    assert problem.exact(problem.init()).item() == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize(("prob", "gradient"), [(0.5, 0.025), (0.3, 0.021), (0.1, 0.009)])
def test_gradient_is_the_known_one(prob: float, gradient: float) -> None:
    problem = BernoulliToy(probs=(prob,))
    logits = problem.init()["logits"].requires_grad_()
    (found,) = torch.autograd.grad(problem.exact({"logits": logits}).sum(), logits)
    assert found.item() == pytest.approx(gradient, abs=1e-15)


@pytest.mark.parametrize("probs", [(), (0.0,), (0.5, 1.0), (-0.1,)])
def test_impossible_probabilities_are_refused(probs: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"BernoulliToy\(probs=.*use \(0.3,\)"):
        BernoulliToy(probs=probs)
