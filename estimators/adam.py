"""Adam's step for one tensor: the rule of a solver, and of what an estimator learns as it goes."""

from __future__ import annotations

from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-8


def adam_step(
    value: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, count: int | Tensor, rate: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The value after one step, with the next means of the gradient and of its square.

        m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,  value ← value − rate · m̂ / (√v̂ + 1e-8)

    m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) are without the bias of their start at zero. The rule is elementwise, so
    that every replicate steps by itself.

    Args:
        value: Before the step, `[*R, …]`; the other tensors have its shape.
        gradient: The slope g to descend.
        mean: m, zero at the start.
        square: v, zero at the start.
        count: The number t of this step, from 1 on; a tensor where replicates count for themselves.
        rate: How far to go.
    """
    mean = BETAS[0] * mean + (1 - BETAS[0]) * gradient
    square = BETAS[1] * square + (1 - BETAS[1]) * gradient**2
    scale = [1 - beta**count for beta in BETAS]
    return value - rate * (mean / scale[0]) / ((square / scale[1]).sqrt() + EPSILON), mean, square
