"""Negative controls: small wrong problems, each with one bug that a law has to see."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from benchmarks.problems import BernoulliToy
from estimators.core import Params, Term


class SummedCost(BernoulliToy):
    """The cost is summed over everything, replicates included."""

    def cost(self, params: Params, z: Tensor, q: Distribution) -> Tensor:
        return super().cost(params, z, q).sum()


class IdleParameter(BernoulliToy):
    """Has a parameter that nothing depends on."""

    def init(self) -> Params:
        return super().init() | {"idle": torch.ones(2, dtype=torch.float64)}


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
