"""Right problems of unusual kinds, as users write them: no check of a problem may find a fault in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal, StudentT, VonMises
from torch.func import functional_call

from gradmark.estimators.core import Params, Problem, Term


def _one(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


class ByHand(Distribution):
    """What a user leaves out: support, arg_constraints, rsample, mean."""

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]


class Choice(ByHand):
    """An integer, drawn as one, which indexes a table."""

    def __init__(self, logits: Tensor) -> None:
        self.table = Categorical(logits=logits, validate_args=False)
        super().__init__(logits.shape[:-1], torch.Size([1]), validate_args=False)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.table.sample(torch.Size(sample_shape)).unsqueeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.table.log_prob(value.squeeze(-1))


@dataclass(frozen=True)
class Integers(Problem):
    """z an integer; the cost looks it up."""

    def init(self) -> Params:
        return {"logits": _one(0.3, -0.4, 1.2, 0.0)}

    def distribution(self, params: Params) -> Distribution:
        return Choice(params["logits"])

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return _one(1.0, -0.5, 2.0, 0.3)[z.squeeze(-1)]

    def terms(self, params: Params, z: Tensor, q: Distribution) -> Sequence[Term]:
        return ()

    def exact(self, params: Params) -> Tensor:
        return (params["logits"].softmax(-1) * _one(1.0, -0.5, 2.0, 0.3)).sum(-1)

    @property
    def no_oracle(self) -> None:
        return None


class Waiting(ByHand):
    """An exponential distribution whose log density is not guarded below zero, where it never draws."""

    def __init__(self, rate: Tensor) -> None:
        self.rate = rate
        super().__init__(rate.shape[:-1], rate.shape[-1:], validate_args=False)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        u = torch.rand((*sample_shape, *self.rate.shape), dtype=self.rate.dtype)
        return (-(1 - u).log() / self.rate).detach()

    def log_prob(self, value: Tensor) -> Tensor:
        return (self.rate.log() - self.rate * value).sum(-1)


@dataclass(frozen=True)
class Times(Problem):
    """z two waiting times."""

    def init(self) -> Params:
        return {"log_rate": _one(0.4, -1.0)}

    def distribution(self, params: Params) -> Distribution:
        return Waiting(params["log_rate"].exp())

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return z.sum(-1)

    def exact(self, params: Params) -> Tensor:
        return (-params["log_rate"]).exp().sum(-1)

    @property
    def no_oracle(self) -> None:
        return None


@dataclass(frozen=True)
class Matrices(Problem):
    """z a matrix of 2 × 2 numbers, with one parameter of shape ()."""

    def init(self) -> Params:
        return {"loc": _one(0.5, -0.2, 0.1, 1.0).view(2, 2), "log_scale": torch.tensor(-0.3, dtype=torch.float64)}

    def distribution(self, params: Params) -> Distribution:
        scale = params["log_scale"].exp()[..., None, None]
        return Independent(Normal(params["loc"], scale, validate_args=False), 2, validate_args=False)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return (z @ z.mT).diagonal(dim1=-1, dim2=-2).sum(-1)

    def exact(self, params: Params) -> Tensor:
        return params["loc"].square().sum((-1, -2)) + 4 * (2 * params["log_scale"]).exp()

    @property
    def no_oracle(self) -> None:
        return None


@dataclass(frozen=True)
class HeavyTails(Problem):
    """z Student's t with few degrees of freedom, or an angle; the cost is bounded."""

    angle: bool = False
    degrees: float = 1.5

    def init(self) -> Params:
        return {"loc": _one(0.4), "log_scale": _one(0.2)}

    def distribution(self, params: Params) -> Distribution:
        loc, scale = params["loc"], params["log_scale"].exp()
        if self.angle:
            return Independent(VonMises(loc, 1 / scale, validate_args=False), 1, validate_args=False)
        degrees = torch.full_like(loc, self.degrees)
        return Independent(StudentT(degrees, loc, scale, validate_args=False), 1, validate_args=False)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return z.squeeze(-1).cos()

    @property
    def no_oracle(self) -> str:
        return "the mean of the cosine is not written out"


@cache
def _net(evaluated: bool) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.3), nn.Linear(4, 1)).double()
    return net.eval() if evaluated else net.train()


@dataclass(frozen=True)
class Module(Problem):
    """A cost with a batch norm and a dropout layer: right in eval mode, where both are fixed functions."""

    evaluated: bool = True

    def init(self) -> Params:
        weights = {name: value.detach().clone() for name, value in _net(self.evaluated).named_parameters()}
        return weights | {"loc": _one(0.3, -0.2)}

    def distribution(self, params: Params) -> Distribution:
        loc = params["loc"]
        return Independent(Normal(loc, torch.full_like(loc, 0.7), validate_args=False), 1, validate_args=False)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        weights = {name: value for name, value in params.items() if name != "loc"}
        net, replicates = _net(self.evaluated), params["loc"].shape[:-1]

        def one(own: Params, draws: Tensor) -> Tensor:
            return functional_call(net, own, (draws,)).squeeze(-1)

        samples = z.shape[: z.dim() - 1 - len(replicates)]
        if not replicates:
            return one(weights, z.reshape(-1, 2)).reshape(samples)
        flat = {name: value.flatten(0, len(replicates) - 1) for name, value in weights.items()}
        draws = z.reshape(math.prod(samples), math.prod(replicates), 2).movedim(1, 0)
        out = torch.vmap(one, randomness="different")(flat, draws)
        return out.movedim(1, 0).reshape(*samples, *replicates)

    @property
    def no_oracle(self) -> str:
        return "the network is not linear"


RIGHT = (Integers(), Times(), Matrices(), HeavyTails(), HeavyTails(angle=True), Module())
