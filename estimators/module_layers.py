"""The layers of a module whose weights all replicates share: each gives the gradient of every replicate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_unflatten

from gradmark.estimators.shared_weights import NotShared, SharedWeights

FACTS = {
    Tensor.dim,
    Tensor.size,
    Tensor.numel,
    Tensor.is_floating_point,
    *(getattr(Tensor, name).__get__ for name in ("shape", "dtype", "device", "ndim", "layout", "requires_grad")),
}  # what may be asked of a weight anywhere: not its numbers
DECISIONS = {Tensor.__bool__, Tensor.__int__, Tensor.__float__, Tensor.__index__, Tensor.item, Tensor.tolist}
Numbers = int | Sequence[int]


class Layers(TorchFunctionMode):
    """Runs a module on the rows of all replicates at once, `[R · rows, …]`, replicate after replicate.

    Linear and convolutional layers know which rows are whose. Any other operation on a parameter is made for each
    replicate by itself, by `torch.vmap`.

    Args:
        shared: The weights.
        own: The module's parameters by name, without an axis of replicates: those that it is called with.
        lifted: The same with one, `[R, …]`: those whose gradients are asked for.
        rows: How many rows all replicates have.
    """

    def __init__(
        self, shared: SharedWeights, own: Mapping[str, Tensor], lifted: Mapping[str, Tensor], rows: int
    ) -> None:
        super().__init__()
        self.shared, self.rows = shared, rows
        self.own = {id(value): lifted[key] for key, value in own.items()}
        self.replicates = len(next(iter(lifted.values())))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in DECISIONS:  # each replicate's would be its own
            raise self._not_shared("the module decides on a value, and has", self.own.values())
        leaves, tree = tree_flatten((args, kwargs or {}))
        used = [self.own[id(value)] for value in leaves if id(value) in self.own]
        if not used or func in FACTS:
            return func(*args, **(kwargs or {}))
        if func is functional.linear:
            return self._linear(*args, **(kwargs or {}))
        if func in CONVOLUTIONS:
            return self._convolution(func, *args, **(kwargs or {}))
        return self._each(lambda *each: _called(func, *tree_unflatten(list(each), tree)), leaves, used)

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        used = self._used(x, weight, bias)
        rows = x.reshape(self.replicates, -1, x.shape[-1])
        return self.shared.linear(rows, *used).reshape(*x.shape[:-1], -1)

    def _convolution(
        self,
        func: Callable[..., Tensor],
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        *how: Any,
        **named: Any,
    ) -> Tensor:
        used = self._used(x, weight, bias)
        options = CONVOLUTIONS[func](weight.dim() - 2, *how, **named)
        if options is None:
            raise self._not_shared("a padding that is a word goes with", used)

        def each(value: Tensor) -> Tensor:
            return value.unflatten(0, (self.replicates, -1))

        def of_weight(x: Tensor, slopes: Tensor) -> Tensor:
            pairs = zip(each(x), each(slopes), strict=True)
            return torch.stack([_of_weight(slope, row, weight, options) for row, slope in pairs])

        def of_bias(x: Tensor, slopes: Tensor) -> Tensor:
            return each(slopes).flatten(3).sum((1, 3))

        y = func(x, weight, bias, *how, **named)
        return self.shared.beside(y, x, list(zip(used, (of_weight, of_bias), strict=False)))

    def _each(self, func: Callable[..., Any], leaves: list[Any], used: Iterable[Tensor]) -> Any:
        """An operation for each replicate: parameters and what has all rows are split, all else is the same for all."""
        split = [isinstance(value, Tensor) and value.dim() > 0 and len(value) == self.rows for value in leaves]
        given = [
            self.own.get(id(value), value.unflatten(0, (self.replicates, -1)) if rows else value)
            for value, rows in zip(leaves, split, strict=True)
        ]
        axes = tuple(0 if rows or id(value) in self.own else None for value, rows in zip(leaves, split, strict=True))
        try:
            return torch.vmap(func, in_dims=axes)(*given).flatten(0, 1)
        except (RuntimeError, ValueError, NotImplementedError, AttributeError, TypeError) as fault:
            raise self._not_shared("torch.vmap cannot split the operation on", used) from fault

    def _used(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> list[Tensor]:
        """A layer's parameters `[R, …]`; NotShared where not all are the module's, or x is not a batch of rows."""
        given = [value for value in (weight, bias) if value is not None]
        used = [self.own[id(value)] for value in given if id(value) in self.own]
        if len(used) < len(given) or len(x) != self.rows:
            raise self._not_shared("a layer that is not given the rows, or has a constant, uses", used)
        return used

    def _not_shared(self, what: str, used: Iterable[Tensor]) -> NotShared:
        names = [name for value in used if (name := self.shared.name_of(value)) is not None]
        return NotShared(f"{what} {', '.join(names)}", names)


def _called(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    return func(*args, **kwargs)


def _forward(
    dims: int, stride: Numbers = 1, padding: Numbers | str = 0, dilation: Numbers = 1, groups: int = 1
) -> tuple[Any, ...] | None:
    """The options of a convolution, as torch's derivative of all of them takes them; None for a word."""
    if isinstance(padding, str):
        return None
    return *(_numbers(value, dims) for value in (stride, padding, dilation)), False, [0] * dims, groups


def _transposed(
    dims: int, stride: Numbers = 1, padding: Numbers = 0, output_padding: Numbers = 0, groups: int = 1,
    dilation: Numbers = 1,
) -> tuple[Any, ...]:  # fmt: skip
    """Those of a transposed one, which come in another order."""
    return (
        *(_numbers(value, dims) for value in (stride, padding, dilation)),
        True,
        _numbers(output_padding, dims),
        groups,
    )


CONVOLUTIONS: dict[Callable[..., Tensor], Callable[..., tuple[Any, ...] | None]] = {
    functional.conv1d: _forward,
    functional.conv2d: _forward,
    functional.conv3d: _forward,
    functional.conv_transpose1d: _transposed,
    functional.conv_transpose2d: _transposed,
    functional.conv_transpose3d: _transposed,
}


def _numbers(value: Numbers, dims: int) -> list[int]:
    given = [value] if isinstance(value, int) else list(value)
    return given * dims if len(given) == 1 else given


def _of_weight(slopes: Tensor, x: Tensor, weight: Tensor, options: tuple[Any, ...]) -> Tensor:
    """The gradient of a convolution's weight over the rows of one replicate."""
    return torch.ops.aten.convolution_backward(slopes, x, weight, None, *options, [False, True, False])[1]
