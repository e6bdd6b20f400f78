"""The gradient of a weight that all replicates share: the factors it is a sum of, and its inner products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from gradmark.estimators.shared_weights import Factors, Use

INNER_PRODUCTS = 100  # multiplications in float32 that take as long as the inner products of one number of a gradient
DOUBLE = 2  # multiplications in float32 that take as long as one in float64


@dataclass(frozen=True)
class Factored:
    """G_r = Σ_rows δ aᵀ over all uses of a weight, `[R, outputs · inputs]` when it is formed."""

    uses: tuple[Use, ...]

    def __len__(self) -> int:
        return len(self.uses[0].slopes)

    def __getitem__(self, kept: Tensor | slice) -> Factored:
        """The gradients of some replicates."""
        return Factored(tuple(Use(_of_each(use)[kept], use.slopes[kept]) for use in self.uses))

    @property
    def device(self) -> torch.device:
        """Where the factors live."""
        return self.uses[0].slopes.device

    @property
    def coordinates(self) -> int:
        """How many numbers the gradient of one replicate has."""
        return self.uses[0].slopes.shape[-1] * self.uses[0].inputs.shape[-1]

    def formed(self) -> Tensor:
        """The gradients, `[R, P]`, in the order of the weight's numbers."""
        first, *others = (_formed(use) for use in self.uses)
        return sum(others, first)

    def products_of_rows(self) -> Tensor | None:
        """⟨G_r, G_s⟩ = Σ_ij ⟨δ_ri, δ_sj⟩⟨a_ri, a_sj⟩, `[R, R]`, in float64; None where forming G is cheaper."""
        use, *others = self.uses
        if others or operations_of_rows(use) > operations_of_forming(use):
            return None
        return _products_of_rows(use.slopes.double(), use.inputs.double())


Part: TypeAlias = Tensor | Factored  # the gradient of one named tensor, `[R, P]`


def part_of(gradient: Tensor | Factors) -> Part:
    """A gradient `[R, …]`, flattened, or its factors."""
    if isinstance(gradient, Tensor):
        return gradient.detach().reshape(len(gradient), -1)  # of a scalar, `[R]`, too
    return Factored(gradient.uses)


def formed(part: Part) -> Tensor:
    """The gradients of one named tensor, `[R, P]`."""
    return part if isinstance(part, Tensor) else part.formed()


def coordinates(part: Part) -> int:
    """How many numbers the gradient of one replicate has."""
    return part.shape[1] if isinstance(part, Tensor) else part.coordinates


def operations_of_forming(use: Use) -> int:
    """Of the gradients, and then of their inner products; in multiplications in float32, about."""
    replicates, rows, outputs = use.slopes.shape
    each = rows * (DOUBLE if use.slopes.dtype == torch.float64 else 1) + INNER_PRODUCTS
    return replicates * outputs * use.inputs.shape[-1] * each


def operations_of_rows(use: Use) -> int:
    """Of the inner products of the rows."""
    replicates, rows, outputs = use.slopes.shape
    distinct, _, inputs = use.inputs.shape
    each = replicates // distinct
    pairs = distinct * (distinct + 1) // 2
    return DOUBLE * pairs * rows * (rows * inputs + rows * each * outputs + each**2 * outputs)


def _products_of_rows(slopes: Tensor, inputs: Tensor) -> Tensor:
    """⟨G_r, G_s⟩ for s ≥ r from the rows, and by symmetry for all: one step for each of the inputs that differ."""
    distinct, rows, outputs = len(inputs), slopes.shape[1], slopes.shape[2]
    slopes = slopes.unflatten(0, (distinct, -1)).transpose(1, 2).flatten(2)  # [distinct, rows, each · outputs]
    each = slopes.shape[2] // outputs
    gram = slopes.new_zeros(distinct, each, distinct, each)
    for g in range(distinct):
        between = (inputs[g] @ inputs[g:].flatten(0, 1).mT).unflatten(1, (-1, rows)).transpose(0, 1)
        weighed = (between @ slopes[g:]).unflatten(2, (each, outputs)).transpose(1, 2).flatten(2)
        own = slopes[g].unflatten(1, (each, outputs)).transpose(0, 1).flatten(1)
        found = (own @ weighed.flatten(0, 1).mT).unflatten(1, (-1, each))
        gram[g, :, g:], gram[g:, :, g] = found, found.permute(1, 2, 0)
    return gram.flatten(2).flatten(0, 1)


def _formed(use: Use) -> Tensor:
    """Σ_rows δ aᵀ of each replicate, `[R, P]`: one product for all replicates that see the same."""
    distinct, each = len(use.inputs), len(use.slopes) // len(use.inputs)
    slopes = use.slopes.unflatten(0, (distinct, each)).mT.flatten(1, 2)
    return (slopes @ use.inputs).reshape(distinct * each, -1)


def _of_each(use: Use) -> Tensor:
    """The inputs of each replicate, `[R, rows, inputs]`."""
    return use.inputs.repeat_interleave(len(use.slopes) // len(use.inputs), 0)
