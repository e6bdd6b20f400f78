"""A torch module that is called with parameters of its own for each replicate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

Tensors = dict[str, Tensor]


class ModuleCall:
    """A module whose parameters are arguments, each with leading axes of replicates.

    `torch.vmap` makes one call of all replicates. A module that it cannot batch (an operation without a batching rule,
    a decision on a value) is called once for each replicate instead; the results are the same to rounding.

    Args:
        name: What errors call the module.
        module: The module; it is put into evaluation mode and float64. A parameter that requires no gradient is a
            constant.

    Raises:
        ValueError: The module draws, or lets the rows of a batch depend on one another.
    """

    def __init__(self, name: str, module: nn.Module) -> None:
        self.module = module.double().eval()
        for fault in faults(self.module):
            raise ValueError(f"module {name!r}: {fault}")
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
            lead = x.shape[: x.dim() - event_dims]
            return call(params, x.reshape(-1, *x.shape[x.dim() - event_dims :])).unflatten(0, lead)
        flat = {key: value.reshape(-1, *self.parameters[key].shape) for key, value in params.items()}
        samples = x.shape[: max(x.dim() - event_dims - 1 - len(replicates), 0)]
        if x.dim() == event_dims + 1:
            return self._each(call, flat, x.expand(replicates.numel(), *x.shape)).unflatten(0, replicates)
        count, event = samples.numel(), x.shape[x.dim() - event_dims - 1 :]
        rows = x.reshape(count, replicates.numel(), *event).movedim(1, 0).flatten(1, 2)
        found = self._each(call, flat, rows).unflatten(1, (count, event[0])).movedim(1, 0)
        return found.reshape(*samples, *replicates, *found.shape[2:])

    def _with(self, like: Tensor) -> Callable[[Tensors, Tensor], Tensor]:
        """The module as a function of its parameters and input; all else is constant, of the parameters' dtype."""
        constants = {**dict(self.module.named_buffers()), **dict(self.module.named_parameters())}
        constants = {
            key: value.detach().to(like.device, like.dtype if value.is_floating_point() else value.dtype)
            for key, value in constants.items()
            if key not in self.parameters
        }
        return lambda params, x: functional_call(self.module, {**constants, **params}, (x,))

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


def faults(module: nn.Module) -> Iterator[str]:
    """Why a module cannot be a part of a problem, which is deterministic and whose rows are independent."""
    for name, part in module.named_modules():
        what = f"{name or 'it'} ({type(part).__name__})"
        drops = part.p if isinstance(part, _DropoutNd) else getattr(part, "dropout", 0.0)
        if isinstance(drops, float) and drops > 0:
            yield (
                f"{what} drops units with probability {drops:g}, and a problem must not draw: pass 0, or make the "
                "noise a part of z"
            )
        if (
            isinstance(part, _NormBase)
            and part.running_mean is None
            and isinstance(part, nn.modules.batchnorm._BatchNorm)
        ):
            yield (
                f"{what} keeps no running averages, so that each row depends on the others: pass "
                "track_running_stats=True, or use LayerNorm"
            )
