"""The quadrature rule for every operation that draws: its nodes and their weights."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy import special
from torch import Tensor
from torch._ops import OpOverload

from gradmark.benchmarks.quadrature.noise_rules import cuts, parts

MOST_POINTS = 48  # of a Gaussian rule: beyond it the outer weights underflow


class Unreplaceable(Exception):
    """The draws of an estimate cannot be replaced by nodes, and why."""


class TooManyDraws(Unreplaceable):
    """The draws need more nodes than are affordable; `draws` are those that the probe found."""

    def __init__(self, reason: str, draws: list[Draw]) -> None:
        super().__init__(reason)
        self.draws = draws


@dataclass(frozen=True)
class Draw:
    """One operation that draws, as the probe found it: the axis of the replicates in its output, and its sites.

    A *site* is a free number of one replicate: each number drawn, except the last of a Dirichlet draw. Where samples
    and rows are flattened into one axis with the replicates, `outer` samples are before them and `inner` rows after.
    """

    operation: OpOverload
    before: tuple[int, ...]  # sizes of the axes before the replicates'
    inner: int
    after: tuple[int, ...]
    kind: str
    outcomes: int = 0  # of a discrete draw
    edges: tuple[tuple[float, ...], ...] = ()  # of each site's panels, where the integrand may be discontinuous
    cuts: tuple[float, ...] = ()  # between the parts of the scale of the noise that have a rule each
    outer: int = 1

    @property
    def numbers(self) -> int:
        """How many numbers one replicate draws."""
        return math.prod(self.before) * self.outer * self.inner * math.prod(self.after)

    @property
    def sites(self) -> int:
        """How many of these numbers are free."""
        return self.numbers - self.numbers // self.after[-1] if self.kind == "dirichlet" else self.numbers

    @property
    def panels(self) -> int:
        """How many parts of (0, 1), or of the scale of the noise, have a rule each."""
        return len(self.cuts) - 1 if self.cuts else len(self.edges[0]) - 1 if self.edges else 1

    def radix(self, points: int) -> int:
        """How many nodes each site has, for a rule of `points`."""
        return self.outcomes or self.panels * points

    def split(self) -> Draw:
        """The draw with each panel split into two unequal parts."""
        golden = (3 - math.sqrt(5)) / 2
        pairs = [list(itertools.pairwise(site)) for site in self.edges]
        cut = [[part for a, b in site for part in (a, a + golden * (b - a))] + [site[-1][1]] for site in pairs]
        return replace(self, edges=tuple(map(tuple, cut)))

    def in_parts(self, panels: int, reach: float) -> Draw:
        """The draw in composite panels, out to `reach` standard deviations; in half lines for 0 panels."""
        if self.outcomes:
            return self
        if self.kind in NATURAL:
            return replace(self, cuts=cuts(NATURAL[self.kind], panels, reach))
        count, sites = max(panels, 1), self.edges or ((0.0, 1.0),) * self.sites
        steps = [number / count for number in range(count)]
        cut = [[a + (b - a) * step for a, b in itertools.pairwise(site) for step in steps] + [1.0] for site in sites]
        return replace(self, edges=tuple(map(tuple, cut)))

    @property
    def samples(self) -> int:
        """The size of the axis that samples are drawn along: the first, but the last of a multinomial."""
        return self.after[-1] if self.kind == "categorical" else self.before[0] if self.before else 1

    def by_sample(self, digits: Tensor, samples: int) -> Tensor:
        """Digits `[sites, R]` as `[samples, sites of each, R]`."""
        if self.kind == "categorical":
            return digits.unflatten(0, (-1, samples)).movedim(1, 0)
        return digits.unflatten(0, (samples, -1))

    def of_samples(self, digits: Tensor) -> Tensor:
        """The inverse: `[samples, sites of each, R]` as `[sites, R]`."""
        return (digits.movedim(0, 1) if self.kind == "categorical" else digits).flatten(0, 1)

    def by_site(self, value: Tensor, replicates: int) -> Tensor:
        """A tensor shaped as the draw's output, `[numbers, R]`."""
        apart = value.reshape(*self.before, self.outer, replicates, self.inner, *self.after)
        return apart.movedim(len(self.before) + 1, -1).reshape(self.numbers, replicates)

    def by_axis(self, value: Tensor, replicates: int) -> Tensor:
        """The inverse: `[numbers, R]` in the shape of the draw's output."""
        apart = value.reshape(*self.before, self.outer, self.inner, *self.after, replicates)
        return apart.movedim(-1, len(self.before) + 1).reshape(*self.axis(replicates))

    def axis(self, replicates: int) -> tuple[int, ...]:
        """The shape of the draw's output."""
        return (*self.before, self.outer * replicates * self.inner, *self.after)


KINDS = {  # of the operations that have a rule, by the name in torch's schemas
    "aten::bernoulli": "bernoulli",
    "aten::bernoulli_": "bernoulli",
    "aten::multinomial": "categorical",
    "aten::normal": "normal",
    "aten::normal_": "normal",
    "aten::randn": "normal",
    "aten::randn_like": "normal",
    "aten::rand": "uniform",
    "aten::rand_like": "uniform",
    "aten::uniform_": "uniform",
    "aten::exponential_": "exponential",
    "aten::_standard_gamma": "gamma",
    "aten::_sample_dirichlet": "dirichlet",
    "aten::log_normal_": "lognormal",
    "aten::randint": "integer",
    "aten::randint_like": "integer",
    "aten::random_": "integer",
}
DISCRETE = ("bernoulli", "categorical", "integer")
NATURAL = {"normal": "normal", "lognormal": "normal", "exponential": "exponential"}  # scales of `natural`
IMPLICIT = ("gamma", "dirichlet")  # torch approximates their derivatives


def kind_of(operation: OpOverload) -> str:
    """The rule for an operation; Unreplaceable where there is none."""
    name = operation._schema.name
    if name not in KINDS:
        raise Unreplaceable(f"there is no rule for {name}")
    return KINDS[name]


def outcomes_of(kind: str, call: dict[str, Any]) -> int:
    """How many values a discrete draw can have; 0 for a continuous one."""
    if kind == "integer":
        low, high = _range(call)
        return high - low
    return {"bernoulli": lambda: 2, "categorical": lambda: call["self"].shape[-1]}.get(kind, lambda: 0)()


def arguments(operation: OpOverload, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The call's arguments by the names of the schema, defaults filled in."""
    schema = operation._schema.arguments
    given = {argument.name: argument.default_value for argument in schema if argument.has_default_value()}
    return given | {argument.name: value for argument, value in zip(schema, args, strict=False)} | kwargs


def nodes(draw: Draw, call: dict[str, Any], digits: Tensor, points: int) -> tuple[Tensor, Tensor]:
    """The values `[numbers, R]`, and the weights of each site's node, for digits `[sites, R]` below the radix."""
    rule = {
        "bernoulli": _bernoulli,
        "categorical": _categorical,
        "normal": _normal,
        "uniform": _uniform,
        "exponential": _exponential,
        "gamma": _gamma,
        "dirichlet": _dirichlet,
        "lognormal": _lognormal,
        "integer": _integer,
    }[draw.kind]
    return rule(draw, call, digits, points)


def _argument(draw: Draw, value: Any, digits: Tensor) -> Tensor:
    """An argument of the call, which may be a number or broadcast, as `[sites, R]`."""
    replicates = digits.shape[1]
    whole = torch.as_tensor(value, dtype=torch.float64).expand(draw.axis(replicates))
    return draw.by_site(whole, replicates)


def _bernoulli(draw: Draw, call: dict[str, Any], digits: Tensor, points: int) -> tuple[Tensor, Tensor]:
    probs = _argument(draw, call["self"] if call.get("p") is None else call["p"], digits)
    return digits.double(), torch.where(digits == 1, probs, 1 - probs)


def _categorical(draw: Draw, call: dict[str, Any], digits: Tensor, points: int) -> tuple[Tensor, Tensor]:
    if draw.after != (1,) and not call["replacement"]:
        raise Unreplaceable("there is no rule for draws without replacement")
    weight = call["self"].double()
    probs = (weight / weight.sum(-1, keepdim=True)).reshape(draw.outer, -1, draw.inner, 1, draw.outcomes)
    every = probs.expand(-1, -1, -1, math.prod(draw.after), -1).transpose(0, 1).flatten(1, 3)
    return digits.double(), every.movedim(0, 1).gather(-1, digits.unsqueeze(-1)).squeeze(-1)


def _normal(draw: Draw, call: dict[str, Any], digits: Tensor, points: int) -> tuple[Tensor, Tensor]:
    node, weight = _gaussian(draw, points)
    mean, std = (_argument(draw, call.get(name, usual), digits) for name, usual in (("mean", 0.0), ("std", 1.0)))
    return mean + std * node[digits], weight[digits]


def _gaussian(draw: Draw, points: int) -> tuple[Tensor, Tensor]:
    """Nodes of a standard normal, in parts where the draw has cuts."""
    return parts("normal", draw.cuts, points) if draw.cuts else hermite(points)


def _unit(draw: Draw, digits: Tensor, points: int) -> tuple[Tensor, Tensor]:
    """Nodes of (0, 1), in the panels of each site."""
    node, weight = panels(draw.edges or ((0.0, 1.0),) * draw.sites, points)
    return node.gather(1, digits), weight.gather(1, digits)


def _uniform(draw: Draw, call: dict[str, Any], digits: Tensor, points: int) -> tuple[Tensor, Tensor]:
    node, weight = _unit(draw, digits, points)
    low, high = call.get("from", 0.0), call.get("to", 1.0)
    return low + (high - low) * node, weight


def _exponential(draw: Draw, call: dict[str, Any], digits: Tensor, points: int) -> tuple[Tensor, Tensor]:
    if draw.cuts:
        root, weight = parts("exponential", draw.cuts, points)
        return root[digits] ** 2 / call["lambd"], weight[digits]
    node, weight = _unit(draw, digits, points)
    return -torch.log1p(-node) / call["lambd"], weight


def _gamma(draw: Draw, call: dict[str, Any], digits: Tensor, points: int) -> tuple[Tensor, Tensor]:
    node, weight = _unit(draw, digits, points)
    concentration = _argument(draw, call["self"], digits)
    return torch.from_numpy(special.gammaincinv(concentration.numpy(), node.numpy())), weight


def _dirichlet(draw: Draw, call: dict[str, Any], digits: Tensor, points: int) -> tuple[Tensor, Tensor]:
    """Stick breaking: each part of the rest is a Beta draw."""
    node, weight = _unit(draw, digits, points)
    replicates = digits.shape[1]
    concentration = _argument(draw, call["self"], digits).reshape(-1, draw.after[-1], replicates)
    others = concentration.flip(1).cumsum(1).flip(1)[:, 1:]
    broken = special.betaincinv(concentration[:, :-1].numpy(), others.numpy(), node.reshape(others.shape).numpy())
    part = torch.from_numpy(broken)
    left = torch.cat([torch.ones_like(part[:, :1]), (1 - part).cumprod(1)], 1)
    return torch.cat([part * left[:, :-1], left[:, -1:]], 1).reshape(-1, replicates), weight


def _lognormal(draw: Draw, call: dict[str, Any], digits: Tensor, points: int) -> tuple[Tensor, Tensor]:
    node, weight = _gaussian(draw, points)
    return (call.get("mean", 1.0) + call.get("std", 2.0) * node[digits]).exp(), weight[digits]


def _range(call: dict[str, Any]) -> tuple[int, int]:
    """The integers from `low` up to, not including, `high`, whatever the operation calls them."""
    low, high = call.get("low", call.get("from", 0)), call.get("high", call.get("to"))
    if high is None:
        raise Unreplaceable("there is no rule for integers without a bound")
    return int(low), int(high)


def _integer(draw: Draw, call: dict[str, Any], digits: Tensor, points: int) -> tuple[Tensor, Tensor]:
    return digits.double() + _range(call)[0], torch.full(digits.shape, 1 / draw.outcomes, dtype=torch.float64)


@cache
def hermite(points: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights of Gauss–Hermite for a standard normal: exact for polynomials of degree 2 points − 1."""
    node, weight = np.polynomial.hermite_e.hermegauss(points)
    return torch.from_numpy(node), torch.from_numpy(weight / weight.sum())


@cache
def panels(edges: tuple[tuple[float, ...], ...], points: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights on (0, 1), `[sites, panels · points]`: Gauss–Legendre in each panel.

    u = 3t² − 2t³ in each panel moves the nodes to its ends, where logarithms and powers of u and 1 − u are singular.
    """
    node, weight = np.polynomial.legendre.leggauss(points)
    t = (node + 1) / 2
    inner, slope = 3 * t**2 - 2 * t**3, 3 * t * (1 - t) * weight  # 6 t (1 − t) dt, with dt half of the weight
    low = np.asarray(edges)[:, :-1, None]
    width = np.diff(np.asarray(edges), axis=1)[:, :, None]
    shape = (len(edges), -1)
    return torch.from_numpy((low + width * inner).reshape(shape)), torch.from_numpy((width * slope).reshape(shape))
