"""A grid of nodes instead of the draws of an estimate: one node in each replicate, with its weight."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.benchmarks.measurement.block import HOST, Setting, lifted, numbers, seeded
from gradmark.benchmarks.problems import Minibatch
from gradmark.benchmarks.quadrature.multisets import multisets, number_of_multisets
from gradmark.benchmarks.quadrature.rules import Draw, Unreplaceable
from gradmark.benchmarks.quadrature.substitution import PROBE, Gridded
from gradmark.estimators.core import Problem

CHUNK = 2**20  # numbers at once
ALIKE = 1e-9  # times 1 + |g|: tolerance between gradients that are equal up to rounding


@dataclass(frozen=True)
class Grid:
    """All nodes of one setting, on one selection of rows, for rules of `points`.

    With `samples` above 1, the order of that many samples does not matter, and one node stands for all of its orders.
    """

    setting: Setting
    draws: list[Draw]
    rows: Tensor | None  # the minibatch's selection, `[size]`
    points: int
    samples: int = 1

    @property
    def outcomes(self) -> int:
        """How many nodes one sample has."""
        return math.prod(draw.radix(self.points) ** (draw.sites // self.samples) for draw in self.draws)

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return number_of_multisets(self.outcomes, self.samples)

    def digits(self, index: Tensor) -> tuple[list[Tensor], Tensor]:
        """Which node of its rule each draw has, `[sites, R]`, for nodes with these numbers; and how many orders."""
        if self.samples == 1:
            return self.nodes_of(index.unsqueeze(0)), torch.ones(len(index), dtype=torch.float64)
        every, orders = multisets(self.outcomes, self.samples)
        return self.nodes_of(every[index].T), orders[index]

    def nodes_of(self, rest: Tensor) -> list[Tensor]:
        """Which node of its rule each draw has, `[sites, R]`, for the outcomes of each sample, `[samples, R]`."""
        found: list[Tensor] = []
        for draw in self.draws:
            radix, of_draw = draw.radix(self.points), list[Tensor]()
            for _ in range(draw.sites // self.samples):
                of_draw.append(rest % radix)
                rest = rest // radix
            found.append(draw.of_samples(torch.stack(of_draw, 1)))
        return found

    def random_digits(self, replicates: int) -> list[Tensor]:
        """A random node of its rule for each draw, `[sites, R]`, the same at each call."""
        noise = torch.Generator().manual_seed(1)
        return [torch.randint(d.radix(self.points), (d.sites, replicates), generator=noise) for d in self.draws]

    def gradients(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients `[R, P]` of the nodes with these numbers, and their weights `[R]`."""
        digits, orders = self.digits(index)
        gradient, weight = self.at(digits, len(index))
        return gradient, weight * orders

    def at(self, digits: list[Tensor], replicates: int) -> tuple[Tensor, Tensor]:
        """The gradients `[R, P]` where each draw has these nodes of its rule, and the weights `[R]` of one order."""
        given, params = self.setting, lifted(self.setting.params, replicates)
        problem = selected(given, self.rows, replicates)
        with seeded(1, HOST):
            state = given.initial(problem, params)
            with Gridded(self.draws, digits, self.points, replicates) as grid:
                gradient = given.estimator.estimate(problem, params, state, given.num_samples).gradient
        if grid.left:
            raise Unreplaceable("which draws are made depends on the draws before")
        flat = torch.cat([value.detach().reshape(replicates, -1) for value in gradient.values()], 1)
        return flat.double(), grid.weight

    def moments(self) -> tuple[Tensor, Tensor]:
        """The first two moments over all nodes."""
        room = max(PROBE, CHUNK // numbers(self.setting))
        total = first = second = torch.zeros((), dtype=torch.float64)
        for index in torch.arange(self.size).split(room):
            gradient, weight = self.gradients(index)
            gradient = torch.where(weight.unsqueeze(1) > 0, gradient, 0.0)
            total, first = total + weight.sum(), first + weight @ gradient
            second = second + weight @ gradient**2
        if not abs(float(total) - 1) < 1e-9:
            raise Unreplaceable(
                f"the weights of all nodes must add up to 1, and are off by {abs(float(total) - 1):.2g}"
            )
        return first, second


def selected(setting: Setting, rows: Tensor | None, replicates: int) -> Problem:
    """The problem of the replicates: all with the same rows, where rows are selected."""
    problem = setting.problem
    if rows is None or not isinstance(problem, Minibatch):
        return problem
    return problem.template.select(rows.expand(replicates, -1))


def alike(found: Tensor, expected: Tensor) -> bool:
    """Whether gradients `[R, P]` are equal up to rounding."""
    return bool(((found - expected).abs().amax(1) <= ALIKE * (1 + expected.abs().amax(1))).all())
