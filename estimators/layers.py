"""A layer of a network with its own weights for each replicate."""

from __future__ import annotations

import math
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from gradmark.estimators.shared_weights import sharing


def linear(
    x: Float[Tensor, "*batch rows inputs"],
    weight: Float[Tensor, "*replicates outputs inputs"],
    bias: Float[Tensor, "*replicates outputs"],
) -> Float[Tensor, "... rows outputs"]:
    """A layer with its own weights for each replicate: x `[*S, *R, rows, inputs]` to `[*S, *R, rows, outputs]`.

    The sample axes are folded into the rows: one matrix product for each replicate, three times faster than
    broadcasting the weights over samples. x without replicate axes is shared by all replicates. Where the replicates
    share the weights (`gradmark.estimators.shared_weights`), they are folded into the rows, too.
    """
    shared = sharing(weight)
    if shared is not None:
        return draws_as_rows(lambda rows: shared.linear(rows, weight, bias), x, 1)
    return draws_as_rows(lambda rows: rows @ weight.mT + bias.unsqueeze(-2), x, weight.dim() - 2)


def draws_as_rows(function: Callable[[Tensor], Tensor], x: Tensor, replicates: int, event_dims: int = 1) -> Tensor:
    """A function of rows, applied to the rows of all draws at once.

    Args:
        function: `[*R, rows, *event]` to `[*R, rows, …]`; it is asked for more rows than a draw has.
        x: Its input `[*S, *R, rows, *event]`, or without draws: then it is given as it is.
        replicates: How many axes `*R` has.
        event_dims: How many axes one row has.

    Returns:
        `[*S, *R, rows, …]`.
    """
    samples = x.shape[: max(x.dim() - replicates - 1 - event_dims, 0)]
    if not samples:
        return function(x)
    lead, event = x.shape[len(samples) : x.dim() - event_dims - 1], x.shape[x.dim() - event_dims - 1 :]
    count, rows = math.prod(samples), event[0]
    folded = x.reshape(count, *lead, *event).movedim(0, replicates)
    found = function(folded.reshape(*lead, count * rows, *event[1:])).unflatten(replicates, (count, rows))
    return found.movedim(replicates, 0).reshape(*samples, *lead, rows, *found.shape[replicates + 2 :])
