"""A coarse rule is taken where it agrees with a coarser one at the scale of the estimate, however small that is."""

from __future__ import annotations

import pytest
import torch

from gradmark.benchmarks.quadrature.exact_moments import ExactMoments


def moments(scale: float, error: float) -> ExactMoments:
    """Moments of an estimate of this scale, with this relative error."""
    mean, variance = torch.tensor([scale]).double(), torch.tensor([scale**2]).double()
    return ExactMoments(mean, variance, error * mean, error * variance, 12, False)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_agreement_is_relative(scale: float) -> None:
    assert moments(scale, 1e-13).agrees
    assert not moments(scale, 1e-6).agrees


def test_nodes_that_all_give_zero_agree_on_nothing() -> None:
    assert not moments(0.0, 0.0).agrees
