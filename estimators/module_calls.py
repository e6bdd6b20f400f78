"""A torch module that is called with parameters of its own for each replicate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from gradmark.estimators.layers import draws_as_rows
from gradmark.estimators.module_layers import Layers
from gradmark.estimators.shared_weights import SharedWeights, sharing

Tensors = dict[str, Tensor]


class ModuleCall:
    """A module whose parameters are arguments, each with leading axes of replicates.

    `torch.vmap` makes one call of all replicates. A module that it cannot batch (an operation without a batching rule,
    a decision on a value) is called once for each replicate instead; the results are the same to rounding. Where the
    replicates share the weights (`gradmark.estimators.shared_weights`), one call has the rows of all of them.

    Args:
        name: What errors call the module.
        module: The module; it is put into evaluation mode and float64. A parameter that requires no gradient is a
            constant.

    Raises:
        ValueError: The module draws, or lets the rows of a batch depend on one another.
    """

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name = name
        self.module = module.eval()
        for fault in faults(self.module):
            raise ValueError(f"module {name!r}: {fault}")
        self.module.double()
        self.parameters = {key: value for key, value in module.named_parameters() if value.requires_grad}
        self.batched = True  # until `torch.vmap` fails

    def __call__(self, params: Tensors, x: Tensor, event_dims: int) -> Tensor:
        """The module's output: `x` `[*S, *R, rows, *event]`, or `[rows, *event]` for all replicates.

        Args:
            params: The module's parameters, `[*R, …]`.
            x: The input, whose last `event_dims` axes are one row's.
            event_dims: How many axes one row has.

        Returns:
            `[*S, *R, rows, …]`: what the module returns for a batch of rows, with the axes in front.
        """
        name, like = next(iter(params.items()))
        replicates = like.shape[: like.dim() - self.parameters[name].dim()]
        call = self._with(like)
        if not replicates:
            return draws_as_rows(lambda rows: call(params, rows), x, 0, event_dims)
        shared = {sharing(value) for value in params.values()}
        if len(shared) == 1 and (weights := shared.pop()) is not None:
            return draws_as_rows(lambda rows: _at_once(call, weights, params, rows, event_dims), x, 1, event_dims)
        flat = {key: value.reshape(-1, *self.parameters[key].shape) for key, value in params.items()}
        count = replicates.numel()

        def each(rows: Tensor) -> Tensor:
            own = rows.dim() > event_dims + 1  # else all replicates see the same
            rows = rows.reshape(count, *rows.shape[len(replicates) :]) if own else rows.expand(count, *rows.shape)
            return self._each(call, flat, rows).unflatten(0, replicates)

        return draws_as_rows(each, x, len(replicates), event_dims)

    def _with(self, like: Tensor) -> Callable[[Tensors, Tensor], Tensor]:
        """The module as a function of its parameters and input; all else is constant, of the parameters' dtype."""
        constants = {**dict(self.module.named_buffers()), **dict(self.module.named_parameters())}
        constants = {
            key: value.detach().to(like.device, like.dtype if value.is_floating_point() else value.dtype)
            for key, value in constants.items()
            if key not in self.parameters
        }

        def call(params: Tensors, x: Tensor) -> Tensor:
            output = functional_call(self.module, {**constants, **params}, (x,))
            if not isinstance(output, Tensor):
                raise TypeError(
                    f"module {self.name!r} returns a {type(output).__name__}: it must return one tensor [rows, …]; "
                    "wrap it in a module that does"
                )
            return output

        return call

    def _each(self, call: Callable[[Tensors, Tensor], Tensor], params: Tensors, x: Tensor) -> Tensor:
        """The call for each replicate: parameters `[R, …]` and `x` `[R, …]` to `[R, …]`."""
        if self.batched:
            try:
                return torch.vmap(call)(params, x)
            except (RuntimeError, NotImplementedError, ValueError):
                found = self._one_by_one(call, params, x)  # raises the module's own error where it has one
                self.batched = False
                return found
        return self._one_by_one(call, params, x)

    @staticmethod
    def _one_by_one(call: Callable[[Tensors, Tensor], Tensor], params: Tensors, x: Tensor) -> Tensor:
        return torch.stack([call({key: value[r] for key, value in params.items()}, row) for r, row in enumerate(x)])


def _at_once(
    call: Callable[[Tensors, Tensor], Tensor], weights: SharedWeights, params: Tensors, x: Tensor, event_dims: int
) -> Tensor:
    """One call for the rows of all replicates, which share the parameters: `x` `[R, rows, …]` or `[rows, …]`."""
    count = len(next(iter(params.values())))
    x = x if x.dim() > event_dims + 1 else x.expand(count, *x.shape)
    rows, own = x.flatten(0, 1), {key: value[0].detach() for key, value in params.items()}
    with Layers(weights, own, params, len(rows)):
        y = call(own, rows)
    return y.unflatten(0, (count, -1))


def faults(module: nn.Module) -> Iterator[str]:
    """Why a module cannot be a part of a problem, whose parameters are known, which draws nothing and mixes no rows."""
    for name, value in module.named_parameters():
        if nn.parameter.is_lazy(value):
            yield f"{name} has no shape yet: give the layer its sizes, or call the module once before it is returned"
    for name, part in module.named_modules():
        what = f"{name or 'it'} ({type(part).__name__})"
        drops = part.p if isinstance(part, _DropoutNd) else getattr(part, "dropout", 0.0)
        if isinstance(drops, float) and drops > 0:
            yield (
                f"{what} drops units with probability {drops:g}, and a problem must not draw: pass 0, or make the "
                "noise a part of z"
            )
        if isinstance(part, _BatchNorm) and part.running_mean is None:
            yield (
                f"{what} keeps no running averages, so that each row depends on the others: pass "
                "track_running_stats=True, or use LayerNorm"
            )
