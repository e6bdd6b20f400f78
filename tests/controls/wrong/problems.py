"""Negative controls: small wrong problems, each with one bug that a check has to see."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.distributions import AffineTransform, Bernoulli, Distribution, Independent, Normal, TransformedDistribution
from torch.nn import functional

from gradmark.benchmarks.problems import BernoulliToy, GaussianToy
from gradmark.estimators.core import Params, Term


class SummedCost(BernoulliToy):
    """The cost is summed over everything, replicates included."""

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return super().cost(params, z, q).sum()


class IdleParameter(BernoulliToy):
    """Has a parameter that nothing depends on."""

    def init(self) -> Params:
        return super().init() | {"idle": torch.ones(2, dtype=torch.float64)}


class OutcomesOnTheHost(BernoulliToy):
    """Declares that it runs on any device, and makes a tensor on the CPU."""

    properties = ("runs_on_any_device",)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return super().cost(params, z, q) * torch.ones(1, dtype=z.dtype)


class AsksForANumber(BernoulliToy):
    """Declares that it runs on any device, and makes the host wait for one."""

    properties = ("runs_on_any_device",)

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return super().cost(params, z, q) / max(float(z.detach().max()), 1.0)


class SilentlyWithoutOracle(BernoulliToy):
    """Has no oracle and does not say why."""

    def exact(self, params: Params) -> Tensor | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        return None


class OracleDetached(BernoulliToy):
    """The oracle's value is right and its gradient is half of it: a detach too many."""

    def exact(self, params: Params) -> Tensor:
        exact = super().exact(params)
        return exact / 2 + exact.detach() / 2


class SharedStart(BernoulliToy):
    """init hands out the same tensor every time."""

    def init(self) -> Params:
        return _START


_START = {"logits": torch.zeros(1, dtype=torch.float64)}


class TermForgotten(BernoulliToy):
    """The cost has one term more than `terms` lists."""

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return super().cost(params, z, q) + z[..., 0]


class TermNamesTooFew(BernoulliToy):
    """The last term reads the first coordinate, and does not say so."""

    probs: tuple[float, ...] = (0.3, 0.6)

    def terms(self, params: Params, z: Tensor, q: Distribution) -> list[Term]:
        *others, last = super().terms(params, z, q)
        return [*others[1:], Term(others[0].value + last.value, last.coordinates)]


class TermDetached(BernoulliToy):
    """The cost depends on a parameter, which its terms hold constant."""

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return super().cost(params, z, q) + params["logits"].sum(-1)

    def terms(self, params: Params, z: Tensor, q: Distribution) -> list[Term]:
        first, *others = super().terms(params, z, q)
        return [Term(first.value + params["logits"].sum(-1).detach(), first.coordinates), *others]


class WithoutReplicates(BernoulliToy):
    """q is that of the first replicate, whatever others there are."""

    def distribution(self, params: Params) -> Distribution:
        return super().distribution({name: value.reshape(-1, value.shape[-1])[0] for name, value in params.items()})


class NoisyCost(BernoulliToy):
    """The cost has noise of torch's generator in it, as a dropout layer has."""

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return functional.dropout(super().cost(params, z, q), 0.5)


class NoiseOfNumpy(BernoulliToy):
    """The cost has noise of numpy's generator in it."""

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return super().cost(params, z, q) + float(np.random.normal())  # noqa: NPY002  # that is the bug


class NoiseOfPython(BernoulliToy):
    """q has noise of Python's generator in it."""

    def distribution(self, params: Params) -> Distribution:
        return super().distribution({name: value + random.random() for name, value in params.items()})


class NoiseOfItsOwn(BernoulliToy):
    """The cost has noise of a generator in it that nothing else uses."""

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return super().cost(params, z, q) + float(_OWN.normal())


_OWN = np.random.default_rng(0)


class ParameterMoved(BernoulliToy):
    """q moves its parameter, as a batch-norm layer in training mode moves its averages."""

    def distribution(self, params: Params) -> Distribution:
        with torch.no_grad():
            params["logits"] += 1e-3
        return super().distribution(params)


class DrawRemembered(GaussianToy):
    """q is a flow whose transform remembers how it made the last draw, and hides its parameter."""

    def distribution(self, params: Params) -> Distribution:
        base = Normal(torch.zeros_like(params["loc"]), torch.ones_like(params["loc"]), validate_args=False)
        moved = AffineTransform(params["loc"], params["log_scale"].exp(), cache_size=1)
        return Independent(TransformedDistribution(base, [moved], validate_args=False), 1, validate_args=False)


class DrawsOfNumpy(GaussianToy):
    """The draws come from numpy's generator, which no seed of torch decides."""

    def distribution(self, params: Params) -> Distribution:
        return Independent(NormalOfNumpy(params["loc"], params["log_scale"].exp(), validate_args=False), 1)


class NormalOfNumpy(Normal):
    """The right numbers from another generator."""

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        noise = torch.from_numpy(np.random.normal(size=(*sample_shape, *self.batch_shape)))  # noqa: NPY002
        return (self.loc + self.scale * noise).detach()


class CostCentred(BernoulliToy):
    """The cost is centred over all draws, as a batch-norm layer in training mode does."""

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        cost = super().cost(params, z, q)
        return cost - cost.mean()


class ScaleIgnored(GaussianToy):
    """The draws ignore the scale, which the density has."""

    def distribution(self, params: Params) -> Distribution:
        return Independent(UnitDraws(params["loc"], params["log_scale"].exp(), validate_args=False), 1)


class UnitDraws(Normal):
    """A normal distribution whose draws have a scale of one."""

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return torch.normal(self.loc.expand((*sample_shape, *self.batch_shape)), 1.0).detach()


class ConstantForgotten(GaussianToy):
    """log q lacks the logarithm of √(2π), which no gradient sees."""

    def distribution(self, params: Params) -> Distribution:
        return Independent(Unnormalised(params["loc"], params["log_scale"].exp(), validate_args=False), 1)


class Unnormalised(Normal):
    """A normal distribution without its constant."""

    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob(value) + math.log(math.sqrt(2 * math.pi))


class OutcomesOfMassTwo(BernoulliToy):
    """Each outcome has twice its probability."""

    def distribution(self, params: Params) -> Distribution:
        return Independent(DoubleBits(logits=params["logits"], validate_args=False), 1, validate_args=False)


class DoubleBits(Bernoulli):
    """Bits of twice their probability."""

    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob(value) + math.log(2)


class OracleTwice(BernoulliToy):
    """The oracle is off by a factor, its gradient with it."""

    def exact(self, params: Params) -> Tensor:
        return 1.05 * super().exact(params)


class OracleOfAnotherSlope(GaussianToy):
    """The oracle is right at the start and nowhere else: its value agrees there, and its gradient does not."""

    def exact(self, params: Params) -> Tensor:
        return super().exact(params) + 0.5 * (params["loc"].squeeze(-1) - self.loc)


class CostThroughQ(GaussianToy):
    """The cost has q's entropy in it, which a q of detached parameters hides from the gradient."""

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return super().cost(params, z, q) - q.entropy()

    def exact(self, params: Params) -> Tensor:
        return super().exact(params) - self.distribution(params).entropy()
