"""Models made of torch modules: the same numbers as the modules by themselves, for all replicates."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from gradmark.benchmarks.measurement.block import HOST, lifted, seeded
from gradmark.estimators import Reparameterization
from gradmark.estimators.core import Params
from gradmark.estimators.module_model import _calls
from tests.cases.module_models import Frozen, Images, Shared, encoder

KINDS = ("convolution", "layer norm", "batch norm", "group norm", "recurrent", "embedding", "decides")
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # by torch itself, in its `vmap`


def moved(problem: Images, replicates: int) -> Params:
    """Other parameters for each replicate."""
    draw = torch.Generator().manual_seed(2)
    return {
        name: value + 0.1 * torch.randn(value.shape, dtype=value.dtype, generator=draw)
        for name, value in lifted(problem.init(), replicates).items()
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batched", [True, False])
def test_outputs_are_those_of_the_module_with_each_replicates_parameters(kind: str, batched: bool) -> None:
    """Also with draws in front, and with rows that differ between replicates; to rounding."""
    problem = Images(kind=kind)
    call = _calls(problem)["encoder"]
    call.batched, before = batched, call.batched
    params = moved(problem, 3)
    draw = torch.Generator().manual_seed(3)
    x = torch.rand(2, 3, 6, 64, generator=draw, dtype=torch.float64)
    try:
        found, shared = problem.apply("encoder", params, x), problem.apply("encoder", params, x[0, 0])
    finally:
        call.batched = before
    for r in range(3):
        own = {key: params[f"encoder.{key}"][r] for key in call.parameters}
        for s in range(2):
            torch.testing.assert_close(found[s, r], functional_call(call.module, own, (x[s, r],)))
        torch.testing.assert_close(shared[r], functional_call(call.module, own, (x[0, 0],)))


def test_what_cannot_be_batched_is_called_for_each_replicate() -> None:
    for kind, batched in (("convolution", True), ("decides", False)):
        problem = Images(kind=kind)
        problem.apply("encoder", lifted(problem.init(), 2), problem.observations(problem.init()))
        assert _calls(problem)["encoder"].batched == batched


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_backward_on_the_same_draws(kind: str) -> None:
    """What an author writes for one network, `loss.backward()`, replicate by replicate."""
    problem = Images(kind=kind)
    params = moved(problem, 2)
    with seeded(4, HOST):
        gradient = Reparameterization().estimate(problem, params, (), 3).gradient
    with seeded(4, HOST):
        noise = problem.distribution(params).rsample(torch.Size((3,)))
    q = problem.distribution(params)
    noise = (noise - q.mean) / q.stddev
    for r in range(2):
        expected = by_hand(problem, {name: value[r] for name, value in params.items()}, noise[:, r].detach())
        for name, value in expected.items():
            torch.testing.assert_close(gradient[name][r], value, rtol=1e-9, atol=1e-9)


def by_hand(problem: Images, params: Params, noise: Tensor) -> Params:
    """The gradient of minus the ELBO of fresh modules that hold these parameters, by `backward`."""
    modules = problem.modules()
    for name, module in modules.items():
        module.double().eval()
        module.load_state_dict(
            {
                **module.state_dict(),
                **{key.partition(".")[2]: value for key, value in params.items() if key.startswith(name)},
            }
        )
    x = problem.data_rows(torch.float64, HOST)
    loc, log_scale = modules["encoder"](x).chunk(2, -1)
    z = loc + log_scale.exp() * noise
    logits = modules["decoder"](z.flatten(0, 1)).flatten(-3).unflatten(0, (3, len(x)))
    normal = torch.distributions.Normal
    cost = normal(loc, log_scale.exp()).log_prob(z).sum(-1) - normal(0.0, 1.0).log_prob(z).sum(-1)
    cost = cost + torch.nn.functional.binary_cross_entropy_with_logits(
        logits, x.expand_as(logits), reduction="none"
    ).sum(-1)
    cost.mean(0).sum().backward()
    named = [(f"{name}.{key}", value) for name, module in modules.items() for key, value in module.named_parameters()]
    return {key: torch.zeros_like(value) if value.grad is None else value.grad for key, value in named}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("dropout", "module 'encoder': 1 (Dropout) drops units with probability 0.2"),
        ("recurrent dropout", "0 (GRU) drops units with probability 0.3"),
        ("attention dropout", "drops units with probability 0.1"),
        ("lazy", "weight has no shape yet"),
        ("no averages", "1 (BatchNorm1d) keeps no running averages, so that each row depends on the others"),
    ],
)
def test_modules_that_draw_or_couple_rows_are_refused(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"pass|give the layer its sizes") as fault:
        Images(kind=kind)
    assert text in str(fault.value)


def test_parameters_belong_to_one_module_and_there_is_one() -> None:
    with pytest.raises(ValueError, match=r"encoder\.weight and decoder\.1\.weight are one parameter"):
        Shared()
    with pytest.raises(ValueError, match="no module has a parameter"):
        Frozen()


def test_an_error_of_the_module_is_the_users_own() -> None:
    problem = Images()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        problem.apply("decoder", lifted(problem.init(), 2), torch.zeros(6, 5, dtype=torch.float64))
    assert _calls(problem)["decoder"].batched


def test_a_module_returns_one_tensor() -> None:
    problem = Images(kind="two outputs")
    for params in (problem.init(), lifted(problem.init(), 2)):
        with pytest.raises(TypeError, match=r"module .encoder. returns a tuple: it must"):
            problem.distribution(params)


def test_buffers_follow_dtype_and_start_is_the_same_each_time() -> None:
    problem = Images(kind="batch norm")
    params = {name: value.float() for name, value in lifted(problem.init(), 2).items()}
    assert problem.apply("encoder", params, problem.observations(params)).dtype == torch.float32
    again = dict(encoder("batch norm", 6).named_parameters())
    assert [f"encoder.{name}" for name in again] == [name for name in params if name.startswith("encoder")]


def test_the_footprint_is_that_of_the_largest_layer() -> None:
    assert Images().footprint == 6 * 64
    assert Images(kind="group norm").footprint == 6 * 144
