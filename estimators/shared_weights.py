"""Weights that all replicates share: layers use one copy of them, and leave their gradients as factors.

Lifted to `[R, outputs, inputs]`, a weight makes one matrix product for each replicate, and so does its gradient.
`SharedWeights` gives an estimator the same parameters as views `[R, …]` of one copy. Where a layer meets such a view,
the rows of all replicates make one product, and the gradient of replicate r is left as what it is a sum of,

    G_r = Σ_rows δ aᵀ        a the layer's input, δ the derivative of the loss in its output

Whatever else an estimator does with these views is ordinary torch: their gradients then are formed as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

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


class Factors(NamedTuple):
    """The gradient of one parameter, not formed: Σ_rows δ aᵀ of a weight, Σ_rows δ of a bias, over all uses."""

    uses: tuple[Use, ...]
    bias: bool


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
        self._uses: dict[tuple[int, str], list[tuple[Use, bool]]] = {}
        self._stand_ins: dict[tuple[int, str], Tensor] = {}

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

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """x `[R, rows, inputs]`, or `[rows, inputs]` for all replicates, to `[R, rows, outputs]`, laid out as ever."""
        shared, x = self.name_of(bias) is not None, _distinct(x)
        y = functional.linear(x, weight[0].detach(), bias[0].detach() if shared else None)
        if len(y) < len(weight):
            y = y.repeat_interleave(len(weight) // len(y), 0)
        if not shared:
            y = y + bias.unsqueeze(-2)
        return self.noted(y, x, [weight, bias] if shared else [weight])

    def noted(self, y: Tensor, x: Tensor, used: list[Tensor]) -> Tensor:
        """y with its gradient's factors noted for the weight, and the bias, that were used to make it of x."""
        if not (torch.is_grad_enabled() and any(value.requires_grad for value in used)):
            return y
        return _Joined.apply(y, _Noted.apply(self, x.detach(), y.shape, *used))

    def note(self, leaf: Tensor, use: Use, bias: bool) -> Tensor | None:
        """Keep a use; a stand-in for the gradient, the first time in a backward pass.

        The stand-in is not a number and takes no memory. It tells the gradient that an estimator returns as autograd
        made it from one that was computed with, which the factors are not those of.
        """
        name = self.name_of(leaf)
        assert name is not None, "only what has a name is noted"
        key = (torch._C._current_graph_task_id(), name)
        self._uses.setdefault(key, []).append((use, bias))
        if key in self._stand_ins:
            return None
        self._stand_ins[key] = leaf.new_full((), torch.nan).expand_as(leaf)
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
                uses = self._uses[left[0]]
                found[name] = Factors(tuple(use for use, _ in uses), uses[0][1])
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
    """The rows of x that differ, `[R / m, rows, inputs]`: those that pairs of replicates share are found by value.

    Not on a GPU, which would have to wait for the answer.
    """
    x = x.unsqueeze(0) if x.dim() == 2 else x
    may_be_pairs = len(x) % 2 == 0 and not x.requires_grad and x.device.type == "cpu"
    return x[0::2] if may_be_pairs and torch.equal(x[0::2], x[1::2]) else x


class _Noted(torch.autograd.Function):
    """Zeros that take no memory; their gradient is noted as the slopes of a layer, if a parameter's is asked for.

    It stands beside the layer and does not replace it, so that a derivative in the layer's input alone notes nothing.
    """

    @staticmethod
    def forward(ctx: Any, shared: SharedWeights, x: Tensor, shape: torch.Size, *used: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.shared = shared
        ctx.save_for_backward(x, *used)
        return used[0].new_zeros(()).expand(shape)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        if torch.is_grad_enabled():
            raise NotShared("the gradient is differentiated")
        x, *used = ctx.saved_tensors
        needed = ctx.needs_input_grad[3:]
        use = Use(x, slopes)
        stand_ins = [
            ctx.shared.note(leaf, use, bias=index > 0) if asked else None
            for index, (leaf, asked) in enumerate(zip(used, needed, strict=True))
        ]
        return None, None, None, *stand_ins


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
