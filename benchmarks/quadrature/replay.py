"""Records draws at the dispatcher, below autograd, and replays them in a second run."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import tree_map

from gradmark.benchmarks.measurement.dispatch import Dispatch
from gradmark.benchmarks.quadrature.rules import DISCRETE, KINDS

Draws: TypeAlias = list[tuple[OpOverload, Any]]  # every operation that drew, with its output


class Diverged(Exception):
    """The second run makes other draws than the first, so that the recorded ones do not fit."""


@cache  # asked at every operation
def is_draw(operation: OpOverload) -> bool:
    """Whether an operation draws: most are tagged so; a few that take a generator (Dirichlet, binomial) are not."""
    takes_generator = any(argument.name == "generator" for argument in operation._schema.arguments)
    return torch.Tag.nondeterministic_seeded in operation.tags or takes_generator


def continuous(operation: OpOverload) -> bool:
    """Whether an operation draws continuous numbers."""
    return KINDS.get(operation._schema.name) not in DISCRETE


class Recorded(Dispatch):
    """Keeps the output of every operation that draws, below autograd, so that gradients pass through the draws."""

    def __init__(self) -> None:
        super().__init__()
        self.draws: Draws = []

    def __torch_dispatch__(self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if is_draw(func):
            self.draws.append((func, tree_map(torch.clone, out)))
        return out


class Replayed(Dispatch):
    """Gives every operation that draws its recorded output; raises Diverged where that does not fit."""

    def __init__(self, draws: Draws) -> None:
        super().__init__()
        self.left = list(draws)

    def __torch_dispatch__(self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not is_draw(func):
            return out
        if not self.left or self.left[0][0] is not func:
            raise Diverged(f"{func} was not drawn here before")
        return tree_map(_overwritten, out, self.left.pop(0)[1])


def _overwritten(out: Tensor, recorded: Tensor) -> Tensor:
    """The new draw with the recorded numbers, written into it: an operation such as `normal_` returns its argument."""
    if out.shape != recorded.shape:
        raise Diverged(f"a draw of shape {list(out.shape)} had {list(recorded.shape)} before")
    return out.copy_(recorded)
