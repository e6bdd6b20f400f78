"""Modules whose weights all replicates share: each replicate's gradient, or the parameters that must be lifted."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor, nn

from gradmark.benchmarks.measurement.block import lifted
from gradmark.benchmarks.measurement.factored import formed, part_of
from gradmark.estimators.core import Params
from gradmark.estimators.module_calls import ModuleCall
from gradmark.estimators.shared_weights import NotShared, SharedWeights
from tests.cases.module_models import Decides, Recurrent

REPLICATES, ROWS = 4, 3
ROUNDING = 1e-12  # of a gradient, beside its norm
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # by torch itself, in its `vmap`


class Tied(nn.Module):
    """One layer used twice, the second time transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(self.layer(x).tanh(), self.layer.weight.t())


class Twice(Tied):
    """One layer used twice as it is."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x).tanh())


class Across(Tied):
    """A layer that sees another axis than the rows first."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.t().flip(0).t().unsqueeze(0))[0]


Make = Callable[[], nn.Module]
SHARED: dict[str, tuple[Make, tuple[int, ...]]] = {  # the module, and the shape of a row
    "linear": (lambda: nn.Linear(5, 2), (5,)),
    "linear without bias": (lambda: nn.Linear(5, 2, bias=False), (5,)),
    "linear over positions": (lambda: nn.Linear(5, 2), (7, 5)),
    "twice": (Twice, (5,)),
    "convolution": (lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1), (2, 6, 6)),
    "dilated": (lambda: nn.Conv2d(2, 4, (3, 2), dilation=(2, 1), bias=False), (2, 7, 6)),
    "in groups": (lambda: nn.Conv2d(4, 4, 3, groups=2), (4, 6, 6)),
    "over time": (lambda: nn.Conv1d(2, 4, 3, padding=1), (2, 6)),
    "in space": (lambda: nn.Conv3d(1, 2, 2), (1, 3, 4, 3)),
    "transposed": (lambda: nn.ConvTranspose2d(2, 4, 3, stride=2, padding=1, output_padding=1), (2, 4, 4)),
    "transposed, dilated": (lambda: nn.ConvTranspose1d(2, 4, 3, dilation=2, groups=2), (2, 5)),
    "reflected": (lambda: nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), (1, 4, 4)),
    "layer norm": (lambda: nn.Sequential(nn.Linear(5, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 2)), (5,)),
    "batch norm": (lambda: nn.Sequential(nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5)), (1, 4, 4)),
    "group norm": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.PReLU()), (1, 4, 4)),
    "softmax": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Softmax(-1)), (5,)),
}
LIFTED: dict[str, tuple[Make, tuple[int, ...], set[str]]] = {  # and the names of what must be lifted
    "tied": (Tied, (5,), {"layer.weight"}),
    "across": (Across, (5,), {"layer.weight", "layer.bias"}),
    "padded by a word": (lambda: nn.Conv2d(1, 2, 3, padding="same"), (1, 4, 4), {"weight", "bias"}),
    "recurrent": (lambda: Recurrent(2), (64,), {"recurrent.weight_ih_l0"}),
    "decides": (lambda: Decides(2), (64,), {"layer.weight", "layer.bias"}),
}


def gradients(call: ModuleCall, params: Params, x: Tensor) -> Params:
    """Of a sum of sines that no two outputs enter alike."""
    leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
    y = call(leaves, x, x.dim() - 3)
    weights = torch.linspace(1, 2, y.numel(), dtype=y.dtype).reshape(y.shape)
    found = torch.autograd.grad((weights * y.sin()).sum(), list(leaves.values()))
    return dict(zip(leaves, found, strict=True))


def compare(make: Make, shape: tuple[int, ...], names: Iterable[str] = ()) -> None:
    """Both ways, for rows of each replicate and draw."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        call = ModuleCall("module", make())
        x = torch.randn(2, REPLICATES, ROWS, *shape, dtype=torch.float64)
    params = {name: value.detach() for name, value in call.parameters.items()}
    shared = SharedWeights(params, REPLICATES, names)
    with shared.recording():
        returned = gradients(call, shared.params, x)
    expected = gradients(call, lifted(params, REPLICATES), x)
    for name, value in shared.gradient(returned).items():
        difference = formed(part_of(value)) - expected[name].flatten(1)
        assert difference.norm() <= ROUNDING * expected[name].norm(), name


@pytest.mark.parametrize("kind", SHARED)
def test_shared_weights_have_the_gradient_of_lifted_weights(kind: str) -> None:
    compare(*SHARED[kind])


@pytest.mark.parametrize("kind", LIFTED)
def test_parameters_that_must_be_lifted_are_named(kind: str) -> None:
    make, shape, names = LIFTED[kind]
    with pytest.raises(NotShared) as raised:
        compare(make, shape)
    assert raised.value.names == names
    compare(make, shape, names)


def test_one_row_for_all_replicates_is_seen_by_each() -> None:
    call = ModuleCall("module", nn.Conv2d(1, 2, 3))
    params = {name: value.detach() for name, value in call.parameters.items()}
    x = torch.randn(ROWS, 1, 4, 4, dtype=torch.float64)
    shared = SharedWeights(params, REPLICATES)
    with shared.recording():
        found = call(shared.params, x, 3)
    torch.testing.assert_close(found, call(lifted(params, REPLICATES), x, 3), rtol=1e-12, atol=1e-12)
