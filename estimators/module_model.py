"""A latent-variable model that is made of ordinary torch modules."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor, nn

from gradmark.estimators.latent_variable_model import LatentVariableModel
from gradmark.estimators.module_calls import ModuleCall
from gradmark.estimators.problem import Params

SEED = 0  # of the modules' initial parameters


class ModuleModel(LatentVariableModel):
    """A latent-variable model whose encoder, decoder and priors are `torch.nn.Module`s, written as for one network.

    The modules know nothing of replicates: `apply` calls them with parameters `[*R, …]`, all replicates at once by
    `torch.vmap`, or one after another where a module does not allow that. The parameters are those of the modules that
    require gradients, named `module.parameter`; buffers and frozen parameters are constants.

    Modules are built once for each problem, with torch's generator at a fixed seed, in float64 and evaluation mode:
    BatchNorm uses its running averages. Dropout is refused, as a problem must not draw.

    Shapes: z `[*S, *R, rows, d]`, cost `[*S, *R, rows]`.

    Raises:
        ValueError: A module draws or couples the rows of a batch, two modules share a parameter, or none has one.

    Examples:
        >>> from dataclasses import dataclass
        >>> import torch
        >>> from torch import nn
        >>> from torch.distributions import Independent, Normal
        >>> from gradmark.estimators.core import ModuleModel
        >>> @dataclass(frozen=True)
        ... class Tiny(ModuleModel):
        ...     def modules(self):
        ...         return {"encoder": nn.Linear(4, 2), "decoder": nn.Linear(1, 4)}
        ...     def data_rows(self, dtype, device):
        ...         return torch.arange(12, dtype=dtype, device=device).reshape(3, 4) / 12
        ...     def distribution(self, params):
        ...         loc, log_scale = self.apply("encoder", params, self.observations(params)).chunk(2, -1)
        ...         return Independent(Normal(loc, log_scale.exp(), validate_args=False), 1, validate_args=False)
        ...     def prior(self, params):
        ...         zero = torch.zeros_like(self.distribution(params).mean)
        ...         return Independent(Normal(zero, 1.0, validate_args=False), 1, validate_args=False)
        ...     def log_likelihood(self, params, z):
        ...         return -((self.apply("decoder", params, z) - self.observations(params)) ** 2).sum(-1) / 2
        >>> sorted(Tiny().init())
        ['decoder.bias', 'decoder.weight', 'encoder.bias', 'encoder.weight']
    """

    @abstractmethod
    def modules(self) -> Mapping[str, nn.Module]:
        """The modules by name, newly made from this problem's fields. Each maps a batch `[rows, …]` to `[rows, …]`."""

    def apply(self, module: str, params: Params, x: Tensor, event_dims: int = 1) -> Tensor:
        """The output of a module for every draw, replicate and row.

        Args:
            module: Its name in `modules`.
            params: The problem's parameters, `[*R, …]`.
            x: The input `[*S, *R, rows, *event]`, or `[rows, *event]` where all replicates see the same.
            event_dims: How many axes the input of one row has: 1 for a vector, 3 for an image of several channels.

        Returns:
            `[*S, *R, rows, …]`.
        """
        call = _calls(self)[module]
        own = {key: params[f"{module}.{key}"] for key in call.parameters}
        return call(own, x, event_dims)

    def validate(self) -> None:
        _calls(self)

    def init(self) -> Params:
        calls = _calls(self).items()
        return {
            f"{name}.{key}": value.detach().clone() for name, call in calls for key, value in call.parameters.items()
        }

    @property
    def footprint(self) -> int:
        return self.num_rows * _largest_layer(self)


@cache
def _calls(problem: ModuleModel) -> dict[str, ModuleCall]:
    """The problem's modules, made once."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        calls = {name: ModuleCall(name, module) for name, module in problem.modules().items()}
    owners: dict[int, str] = {}
    for name, call in calls.items():
        for key, value in call.parameters.items():
            if id(value) in owners:
                raise ValueError(
                    f"{type(problem).__name__}.modules: {owners[id(value)]} and {name}.{key} are one parameter; put "
                    "the modules that share it into one module"
                )
            owners[id(value)] = f"{name}.{key}"
    if not owners:
        raise ValueError(f"{type(problem).__name__}.modules: no module has a parameter that requires a gradient")
    return calls


@cache
def _largest_layer(problem: ModuleModel) -> int:
    """How many numbers the largest output of a layer has for one row."""
    sizes = [1]

    def seen(layer: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            sizes.append(output.numel())

    layers = [layer for call in _calls(problem).values() for layer in call.module.modules()]
    handles = [layer.register_forward_hook(seen) for layer in layers]
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            row, params = problem.select(torch.arange(1)), problem.init()
            row.log_likelihood(params, row.distribution(params).sample())
    finally:
        for handle in handles:
            handle.remove()
    return max(sizes)
