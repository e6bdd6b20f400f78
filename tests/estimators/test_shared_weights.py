"""Weights that replicates share give each replicate's gradient, or say that they cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gradmark.benchmarks import specs
from gradmark.benchmarks.measurement.block import lifted, seeded
from gradmark.benchmarks.measurement.factored import part_of
from gradmark.estimators.core import Estimate, Estimator, Params, Problem, linear
from gradmark.estimators.shared_weights import Factors, NotShared, SharedWeights
from tests.methods import METHODS

REPLICATES = 4
SAMPLES = 2  # the fewest that all methods take
ROUNDING = 1e-13  # of a gradient, beside its norm: some hundred spacings of float64
NOT_A_SURROGATE = {"DoubleControlVariate", "OptimalControlVariate", "REBAR", "RELAX"}
USED_BY_ORACLES = {"LinearGaussian": ["weight"]}  # outside of a layer
CLOSED_FORMS = {"ExactPosterior", "ExactMarginalLikelihood"}  # which may use no layer
PROBLEMS = [
    "GaussianVAE(rows=8)",
    "Minibatch(problem=GaussianVAE(), size=8)",
    "BernoulliVAE(latents=3, rows=8)",
    "Minibatch(problem=NonlinearBernoulliVAE(latents=3, hidden=20), size=8)",
    "SigmoidBeliefNetwork(lower=2, upper=2, rows=8)",
    "Minibatch(problem=SigmoidBeliefNetwork(lower=2, upper=2), size=8)",
    "Minibatch(problem=LinearGaussian(), size=8)",
]
HOST = torch.device("cpu")
DRAW = torch.Generator().manual_seed(0)
X = torch.randn(5, 3, generator=DRAW, dtype=torch.float64)
PARAMS = {
    "weight": torch.randn(2, 3, generator=DRAW, dtype=torch.float64),
    "bias": torch.randn(2, generator=DRAW, dtype=torch.float64),
}


def formed(gradient: Tensor | Factors, shape: torch.Size) -> Tensor:
    """The gradient as a tensor."""
    part = part_of(gradient)
    return (part if isinstance(part, Tensor) else part.formed()).reshape(shape)


def both_ways(
    problem: Problem, estimator: Estimator, names: Iterable[str] = ()
) -> tuple[Params, dict[str, Tensor | Factors]]:
    """The gradients with lifted and with shared weights, on the same draws; `names` are lifted in both."""

    def estimate(params: Params) -> Params:
        with seeded(1, HOST):
            drawn = problem.draw(REPLICATES)
            return estimator.estimate(drawn, params, estimator.init(drawn, params), SAMPLES).gradient

    shared = SharedWeights(problem.init(), REPLICATES, names)
    with shared.recording():
        found = estimate(shared.params)
    return estimate(lifted(problem.init(), REPLICATES)), shared.gradient(found)


def farthest(expected: Params, found: dict[str, Tensor | Factors]) -> float:
    """The largest difference of a tensor's gradient, beside its norm."""
    differences = {name: (formed(found[name], value.shape) - value).norm() for name, value in expected.items()}
    return max(float(differences[name] / value.norm().clamp_min(1e-300)) for name, value in expected.items())


@pytest.mark.parametrize("text", PROBLEMS)
def test_every_method_has_the_gradient_of_lifted_weights(text: str) -> None:
    problem, refused = specs.problem(text), set()
    methods = [method for method in METHODS if method.refuses(problem.seen, SAMPLES) is None]
    for method in methods:
        name = type(method).__name__
        try:
            expected, found = both_ways(problem, method, USED_BY_ORACLES.get(type(problem.template).__name__, ()))
        except NotShared:
            refused.add(name)
            continue
        assert farthest(expected, found) < ROUNDING, name
        assert any(isinstance(value, Factors) for value in found.values()) or name in CLOSED_FORMS, name
    assert refused == NOT_A_SURROGATE & {type(method).__name__ for method in methods}


Loss = Callable[[Params], Tensor]


@dataclass(frozen=True)
class Network(Problem):
    """Parameters for losses that are written down."""

    def init(self) -> Params:
        return PARAMS

    def distribution(self, params: Params) -> torch.distributions.Distribution:
        raise NotImplementedError

    def cost(self, params: Params, z: Tensor, q: torch.distributions.Distribution) -> Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class GradientOf(Estimator):
    """The gradient of a loss, and what is then done to it."""

    loss: Loss
    after: Callable[[Params], Params] = lambda gradient: gradient

    def estimate(self, problem: Problem, params: Params, state: object, num_samples: int) -> Estimate:
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        found = torch.autograd.grad(self.loss(leaves), list(leaves.values()))
        return Estimate(self.after(dict(zip(leaves, found, strict=True))), state)


def layer(params: Params, x: Tensor = X) -> Tensor:
    """The layer's outputs, squared and summed with a weight for each replicate."""
    y = linear(x, params["weight"], params["bias"])
    return (y.square().sum((-2, -1)) * torch.arange(1, REPLICATES + 1)).sum()


def twice(params: Params) -> Tensor:
    """A weight in two layers, the second of which has draws."""
    y = linear(X, params["weight"], params["bias"])
    z = torch.stack([y, 2 * y])[..., [0, 1, 0]]
    return layer(params) + linear(z, params["weight"], params["bias"]).sin().sum()


def transformed(params: Params) -> Tensor:
    """A weight that is masked before the layer sees it."""
    return linear(X, params["weight"] * torch.tensor([1.0, 0.0, 1.0]), params["bias"]).square().sum()


BOUNDED = GradientOf(layer, lambda gradient: gradient | {"bias": gradient["bias"].clamp(-1, 1)})


@pytest.mark.parametrize("estimator", [GradientOf(layer), GradientOf(twice), GradientOf(transformed), BOUNDED])
def test_layers_have_the_gradient_of_lifted_weights(estimator: Estimator) -> None:
    expected, found = both_ways(Network(), estimator)
    assert farthest(expected, found) < ROUNDING


def test_the_comparison_can_fail() -> None:
    expected, found = both_ways(Network(), GradientOf(layer))
    factors = found["weight"]
    assert isinstance(factors, Factors)
    factors.uses[0].slopes[1, 2, 0] *= 1 + 1e-6
    assert farthest(expected, found) > ROUNDING


def decayed(params: Params) -> Tensor:
    """A penalty on the weight, beside the layer."""
    return layer(params) + params["weight"].square().sum()


def clipped(gradient: Params) -> Params:
    """Both gradients divided by the length of the weight's."""
    length = gradient["weight"].flatten(1).norm(dim=1)
    return {name: value / length.reshape(-1, *[1] * (value.dim() - 1)) for name, value in gradient.items()}


@pytest.mark.parametrize(
    ("estimator", "names"),
    [
        (GradientOf(decayed), {"weight"}),
        (GradientOf(layer, lambda gradient: gradient | {"weight": 2 * gradient["weight"]}), {"weight"}),
        (GradientOf(layer, clipped), {"weight"}),
    ],
)
def test_what_is_used_outside_of_a_layer_is_named_and_then_lifted(estimator: Estimator, names: set[str]) -> None:
    with pytest.raises(NotShared) as raised:
        both_ways(Network(), estimator)
    assert raised.value.names == names
    expected, found = both_ways(Network(), estimator, names)
    assert farthest(expected, found) < ROUNDING


def test_a_derivative_in_the_input_alone_notes_nothing() -> None:
    shared = SharedWeights(PARAMS, REPLICATES)
    leaves = {name: value.detach().requires_grad_() for name, value in shared.params.items()}
    x = X.expand(REPLICATES, 5, 3).clone().requires_grad_()
    with shared.recording():
        (slope,) = torch.autograd.grad(layer(leaves, x), x)
    (expected,) = torch.autograd.grad(layer(lifted(PARAMS, REPLICATES), x), x)
    torch.testing.assert_close(slope, expected, rtol=1e-13, atol=0)
    assert shared.gradient(leaves) == leaves  # no factors


def test_a_gradient_that_is_differentiated_is_not_shared() -> None:
    shared = SharedWeights(PARAMS, REPLICATES)
    leaves = {name: value.detach().requires_grad_() for name, value in shared.params.items()}
    with shared.recording(), pytest.raises(NotShared, match="differentiated"):
        torch.autograd.grad(layer(leaves), leaves["weight"], create_graph=True)


@pytest.mark.parametrize("x", [X, X.expand(REPLICATES, 5, 3), torch.randn(6, REPLICATES, 5, 3, dtype=torch.float64)])
def test_outputs_are_laid_out_as_those_of_lifted_weights(x: Tensor) -> None:
    """Else draws made of them would take the generator's numbers in another order."""
    own, shared = lifted(PARAMS, REPLICATES), SharedWeights(PARAMS, REPLICATES)
    expected = linear(x, own["weight"], own["bias"])
    with shared.recording():
        found = linear(x, shared.params["weight"], shared.params["bias"])
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-15)
    assert found.stride() == expected.stride()


def test_a_layer_sees_the_same_data_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also data that are equal, but not data that were written to since."""
    calls = []
    affine = functional.linear
    monkeypatch.setattr(functional, "linear", lambda *given: calls.append(given) or affine(*given))
    shared, x = SharedWeights(PARAMS, REPLICATES), X.clone()
    with shared.recording():
        first = linear(x, shared.params["weight"], shared.params["bias"])
        again = linear(X.expand(REPLICATES, 5, 3), shared.params["weight"], shared.params["bias"])
        assert len(calls) == 1
        assert torch.equal(first, again)
        x.mul_(2)
        doubled = linear(x, shared.params["weight"], shared.params["bias"])
    assert len(calls) == 2
    torch.testing.assert_close(doubled - PARAMS["bias"], 2 * (first - PARAMS["bias"]), rtol=1e-12, atol=1e-12)


def test_a_shared_parameter_cannot_be_written_to() -> None:
    with pytest.raises(RuntimeError, match="single memory location"):
        SharedWeights(PARAMS, REPLICATES).params["weight"].add_(1)


def test_weights_are_shared_inside_of_recording_only() -> None:
    shared = SharedWeights(PARAMS, REPLICATES)
    leaves = {name: value.detach().requires_grad_() for name, value in shared.params.items()}
    found = torch.autograd.grad(layer(leaves), list(leaves.values()))
    own = {name: value.requires_grad_() for name, value in lifted(PARAMS, REPLICATES).items()}
    for value, expected in zip(found, torch.autograd.grad(layer(own), list(own.values())), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-13, atol=0)
