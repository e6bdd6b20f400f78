"""Weights that all replicates share: layers use one copy of them, and leave their gradients as factors.

Lifted to `[R, outputs, inputs]`, a weight makes one matrix product for each replicate, and so does its gradient.
`SharedWeights` gives an estimator the same parameters as views `[R, …]` of one copy. Where a layer meets such a view,
the rows of all replicates make one product, and the gradient of replicate r is left as what it is a sum of,

    G_r = Σ_rows δ aᵀ        a the layer's input, δ the derivative of the loss in its output

Whatever else an estimator does with these views is ordinary torch: their gradients then are formed as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Way = Callable[[Tensor, Tensor], Tensor | None]  # from a layer's input and its output's slopes to a gradient [R, …]
_active: ContextVar[SharedWeights | None] = ContextVar("shared weights", default=None)


class NotShared(RuntimeError):
    """A gradient cannot be left as factors; `names` are the parameters that need an axis of replicates."""

    def __init__(self, reason: str, names: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.names = frozenset(names)


class Use(NamedTuple):
    """One use of a layer: its rows' inputs and the derivatives of the loss in their outputs."""

    inputs: Tensor  # [R / m, rows, inputs], each for m consecutive replicates that see the same
    slopes: Tensor  # [R, rows, outputs]


class _Seen(NamedTuple):
    """What a layer saw last, and gave."""

    x: Tensor
    version: int  # of x: it counts what was written to it
    y: Tensor

    def is_of(self, x: Tensor) -> bool:
        """Whether x is the same; not asked on a GPU, which would have to wait for the answer."""
        return x.device.type == "cpu" and self.version == self.x._version and torch.equal(self.x, x)


class Factors(NamedTuple):
    """The gradient of a weight, not formed: Σ_rows δ aᵀ, over all uses."""

    uses: tuple[Use, ...]


class SharedWeights:
    """One copy of the parameters for all replicates, and the factors of their gradients.

    Args:
        params: The parameters, without an axis of replicates.
        replicates: How many there are.
        lifted: Names of parameters of which each replicate gets a copy of its own.
    """

    def __init__(self, params: Mapping[str, Tensor], replicates: int, lifted: Iterable[str] = ()) -> None:
        own = frozenset(lifted)
        self.params = {
            name: value.expand(replicates, *value.shape).clone(memory_format=torch.contiguous_format)
            if name in own
            else value.detach().clone().expand(replicates, *value.shape)
            for name, value in params.items()
        }
        self._names = {_location(value): name for name, value in self.params.items() if name not in own}
        self._uses: dict[tuple[int, str], list[Use]] = {}  # by backward pass and name
        self._stand_ins: dict[tuple[int, str], Tensor] = {}
        self._seen: dict[tuple[str | None, str | None], _Seen] = {}  # by weight and bias
        self.used = False  # whether a layer met a weight

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Layers use these weights meanwhile."""
        before = _active.set(self)
        try:
            yield
        finally:
            _active.reset(before)

    def name_of(self, value: Tensor) -> str | None:
        """The parameter that a tensor is, or is a detached view of; None for any other tensor."""
        return self._names.get(_location(value))

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """x `[R, rows, inputs]`, or `[rows, inputs]` for all replicates, to `[R, rows, outputs]`, laid out as ever."""
        x, shared = _distinct(x), bias is not None and self.name_of(bias) is not None
        y = self._affine(x, weight, bias if shared else None)
        if len(y) < len(weight):
            y = y.repeat_interleave(len(weight) // len(y), 0)
        if bias is not None and not shared:
            y = y + bias.unsqueeze(-2)
        ways: list[tuple[Tensor, Way]] = [(weight, lambda x, slopes: self._note(weight, Use(x, slopes)))]
        if bias is not None and shared:
            ways.append((bias, lambda x, slopes: slopes.sum(-2)))
        return self.beside(y, x, ways)

    def _affine(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer's output for x `[R / m, rows, inputs]`; the last one again where replicates share the same rows.

        A method asks a model for q several times, and its encoder has the same data each time.
        """
        name = (self.name_of(weight), None if bias is None else self.name_of(bias))
        if name in self._seen and self._seen[name].is_of(x):
            return self._seen[name].y
        y = functional.linear(x, weight[0].detach(), None if bias is None else bias[0].detach())
        if len(x) < len(weight) and not x.requires_grad:
            self._seen[name] = _Seen(x, x._version, y)
        return y

    def beside(self, y: Tensor, x: Tensor, ways: Sequence[tuple[Tensor, Way]]) -> Tensor:
        """A layer's output y, made of x and constants, as a function of parameters with these ways to their gradients.

        A way is gone only where its parameter's gradient is asked for: not for a derivative in x alone.
        """
        self.used = True
        asked = [(value, way) for value, way in ways if value.requires_grad]
        if not (asked and torch.is_grad_enabled()):
            return y
        tied = _Beside.apply(x.detach(), y.shape, [way for _, way in asked], *(value for value, _ in asked))
        return _Joined.apply(y, tied)

    def _note(self, weight: Tensor, use: Use) -> Tensor | None:
        """Keep a use; a stand-in for the gradient, the first time in a backward pass.

        The stand-in is not a number and takes no memory. It tells the gradient that an estimator returns as autograd
        made it from one that was computed with, which the factors are not those of.
        """
        name = self.name_of(weight)
        assert name is not None, "only what has a name is noted"
        key = (torch._C._current_graph_task_id(), name)
        self._uses.setdefault(key, []).append(use)
        if key in self._stand_ins:
            return None
        self._stand_ins[key] = weight.new_full((), torch.nan).expand_as(weight)
        return self._stand_ins[key]

    def gradient(self, returned: Mapping[str, Tensor]) -> dict[str, Tensor | Factors]:
        """What an estimator returned, with factors instead of stand-ins.

        Raises NotShared, with their names, where gradients were computed with.
        """
        found: dict[str, Tensor | Factors] = {}
        for name, value in returned.items():
            noted = [key for key in self._stand_ins if key[1] == name]
            left = [key for key in noted if value.is_set_to(self._stand_ins[key])]
            if left:
                found[name] = Factors(tuple(self._uses[left[0]]))
            elif not noted:
                found[name] = value
        missing = [name for name in returned if name not in found]
        if missing:
            raise NotShared(f"{', '.join(missing)}: used outside of a layer, or its gradient computed with", missing)
        return found


def sharing(weight: Tensor) -> SharedWeights | None:
    """The weights that replicates share now, where `weight` is one of them."""
    shared = _active.get()
    return shared if shared is not None and shared.name_of(weight) is not None else None


def _distinct(x: Tensor) -> Tensor:
    """The rows of x that differ, `[R / m, rows, inputs]`: what all replicates or pairs share is found by its values.

    Not on a GPU, which would have to wait for the answer.
    """
    x = x.unsqueeze(0) if x.dim() == 2 else x
    if x.requires_grad or x.device.type != "cpu" or len(x) % 2 or not torch.equal(x[0::2], x[1::2]):
        return x
    pairs = x[0::2]
    return pairs[:1] if torch.equal(pairs[1:], pairs[:-1]) else pairs


class _Beside(torch.autograd.Function):
    """Zeros that take no memory, whose gradient is that of a layer's output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: torch.Size, ways: Sequence[Way], *used: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.ways = ways
        ctx.save_for_backward(x)
        return x.new_zeros(()).expand(shape)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        if torch.is_grad_enabled():
            raise NotShared("the gradient is differentiated")
        (x,) = ctx.saved_tensors
        needed = ctx.needs_input_grad[3:]
        return None, None, None, *(way(x, slopes) if need else None for way, need in zip(ctx.ways, needed, strict=True))


class _Joined(torch.autograd.Function):
    """A tensor as it is, whose gradient goes to a second one as well."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, beside: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return slopes, slopes


def _location(value: Tensor) -> tuple[Any, ...]:
    """Where a tensor's numbers are, and how they are laid out."""
    return value.data_ptr(), value.shape, value.stride(), value.dtype
