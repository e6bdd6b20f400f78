"""Gradients that are left as factors fold to the moments of the gradients formed."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import Tensor

from gradmark.benchmarks.measurement.factored import Factored, Part, formed
from gradmark.benchmarks.measurement.fold import fold
from gradmark.benchmarks.measurement.moments import MAX_COORDINATES, Moments
from gradmark.estimators.shared_weights import Use

REPLICATES = 8
OUTPUTS, INPUTS = 60, 80
KINDS = {  # of factors: how many distinct inputs, rows, uses, and whether the products of rows are cheaper
    "few rows": (REPLICATES, 2, 1, True),
    "many rows": (REPLICATES, 90, 1, False),
    "rows of pairs": (REPLICATES // 2, 3, 1, True),
    "rows of all": (1, 40, 1, True),
    "many rows of all": (1, 4000, 1, False),
    "two uses": (REPLICATES, 3, 2, False),
}


def factors(kind: str, mean: float = 0.0) -> Factored:
    """Of a weight `[OUTPUTS, INPUTS]`; the slopes of all replicates around one mean."""
    distinct, rows, uses, _ = KINDS[kind]
    draw = torch.Generator().manual_seed(len(kind))

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    made = []
    for _ in range(uses):
        inputs = normal(1 if mean else distinct, rows, INPUTS)
        slopes = normal(REPLICATES, rows, OUTPUTS) + mean * normal(1, rows, OUTPUTS)
        made.append(Use(inputs.expand(distinct, -1, -1), slopes))
    return Factored(tuple(made))


def compare(parts: list[Part], exact: Tensor | None, paired: bool) -> None:
    """Of the moments, to rounding: differences keep a thousandth of their digits."""
    found, expected = fold(parts, exact, paired), fold([formed(part) for part in parts], exact, paired)
    for name in (field.name for field in fields(Moments)):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-11, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_products_of_rows_are_those_of_the_gradients_where_they_are_cheaper(kind: str) -> None:
    part = factors(kind)
    products = part.products_of_rows()
    assert (products is not None) == KINDS[kind][3]
    g = part.formed()
    assert g.shape == (REPLICATES, part.coordinates)
    if products is not None:
        torch.testing.assert_close(products, g @ g.mT, rtol=1e-12, atol=1e-12 * float(g.square().sum(1).max()))


@pytest.mark.parametrize("kind", KINDS)
def test_formed_gradients_are_sums_of_outer_products(kind: str) -> None:
    part = factors(kind)
    each = REPLICATES // len(part.uses[0].inputs)
    for r, g in enumerate(part.formed()):
        sums = [torch.einsum("no,ni->oi", use.slopes[r], use.inputs[r // each]) for use in part.uses]
        torch.testing.assert_close(g, torch.stack(sums).sum(0).flatten(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_factors_fold_as_the_gradients(kind: str, paired: bool, known: bool) -> None:
    parts = [factors(kind), torch.randn(REPLICATES, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))]
    assert OUTPUTS * INPUTS + 7 > MAX_COORDINATES
    exact = torch.linspace(-1, 1, OUTPUTS * INPUTS + 7, dtype=torch.float64) if known else None
    compare(parts, exact, paired)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("paired", [False, True])
def test_a_small_variance_beside_a_large_mean_keeps_its_digits(kind: str, paired: bool) -> None:
    compare([factors(kind, 1e5)], None, paired)


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_vary_has_no_variance(kind: str) -> None:
    """In float32, of which a mean of eight in float64 is exact."""
    uses = [Use(use.inputs.float(), use.slopes.float()) for use in factors(kind).uses]
    same = [Use(use.inputs[:1], use.slopes[:1].expand(REPLICATES, -1, -1)) for use in uses]
    moments = fold([Factored(tuple(same))], None, paired=True)
    assert (moments.traces == 0).all()
    assert (moments.deviations == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_replicates_without_a_gradient_or_with_one_that_is_not_finite(kind: str) -> None:
    part = factors(kind)
    for use in part.uses:
        use.slopes[2] = 0
    assert fold([part], None, paired=False).undirected == 1
    compare([part], None, paired=False)
    part.uses[0].slopes[5, 0, 0] = torch.nan
    assert fold([part], None, paired=True).nonfinite == 1
    compare([part], None, paired=True)
