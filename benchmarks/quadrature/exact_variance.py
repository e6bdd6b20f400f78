"""The exact total variance of one estimate, from the first rules that agree, or the reason why it is unknown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from gradmark.benchmarks.measurement.block import HOST, Setting
from gradmark.benchmarks.quadrature.averaging import exchangeable, number_of_samples, parts, variance_of_pairs
from gradmark.benchmarks.quadrature.exact_moments import (
    NotAlone,
    exact_moments,
    finest,
    most_nodes,
    over_selections,
    row_selections,
    same_alone,
    spread,
)
from gradmark.benchmarks.quadrature.grid import Grid
from gradmark.benchmarks.quadrature.probing import FEWEST_POINTS, probed
from gradmark.benchmarks.quadrature.rules import MOST_POINTS, Draw, TooManyDraws, Unreplaceable
from gradmark.benchmarks.quadrature.substitution import SharedDraw
from gradmark.estimators.core import EXPECTED_COST, State

CONVERGED = 1e-3  # the largest relative error of a total variance that is called exact
ZERO = 1e-12  # times 1 + |g|²: below it a variance is zero
MOST_STATES, FEWEST_STATES = 32, 4  # of a baseline: an exact variance is averaged over them
MOST_NODES_OVER_STATES = 2**17
IN_PANELS = (2**10, 2**12, 2**15)  # nodes of composite panels, tried until rules agree
POINTS = 8  # in each panel
REACH, FURTHER = 9.0, 12.0  # standard deviations that the panels of two rules go out to


@dataclass(frozen=True)
class Sums:
    """The result of one set of rules: the mean `[P]`, the total variance, and how far the rules differ in it."""

    mean: Tensor
    value: float
    error: float
    nodes: int
    again: Callable[[State], float]  # the total variance by the finest of these rules, in another state

    @property
    def agrees(self) -> bool:
        """Whether the rules agree on a variance that is not zero."""
        return self.error <= CONVERGED * self.value and self.value > 0

    @property
    def vanishes(self) -> bool:
        """Whether the variance may be zero, which finer rules must confirm."""
        return self.value + self.error <= ZERO * float(1 + (self.mean**2).sum())

    @property
    def apart(self) -> str:
        """The reason, where the rules do not agree."""
        return f"the quadrature has not converged: {self.nodes} nodes leave {self.error:.2g} of {self.value:.3g}"


def exact_total_variance(setting: Setting, warm: State = None) -> dict[str, Any]:
    """The exact total variance of one estimate as plain data, with the quadrature's error; or the reason why not.

    It is computed in float64 on the CPU, whatever the setting's dtype and device are.
    With `warm`, states `[warm-ups, …]`, it is the mean over a few of these, with its standard error over them, and
    `given` says how many they were; else it is that of the setting's own state.
    """
    found = _converged(_at_home(setting, setting.state if warm is None else _state(warm, 0)))
    plain = {"value": None, "error": None, "nodes": None, "reason": None, "given": None, "stderr": None}
    if isinstance(found, str):
        return plain | {"reason": found}
    plain |= {"value": found.value, "error": found.error, "nodes": found.nodes}
    if warm is None:
        return plain
    most = min(max(MOST_NODES_OVER_STATES // found.nodes, FEWEST_STATES), MOST_STATES)
    others = range(1, min(most, len(tree_leaves(warm)[0])))
    values = [found.value, *(found.again(_state(warm, number)) for number in others)]
    if len(values) == 1:
        return plain | {"given": "given one warm-up"}
    average = {"value": statistics.mean(values), "stderr": statistics.stdev(values) / math.sqrt(len(values))}
    return plain | average | {"given": f"the mean over {len(values)} warm-ups"}


def _at_home(setting: Setting, state: State) -> Setting:
    return replace(setting, params=tree_map(_double, setting.params), state=tree_map(_double, state))


def _state(warm: State, number: int) -> State:
    return tree_map(lambda value: _double(value)[number], warm)


def _double(value: Any) -> Any:
    if not isinstance(value, Tensor):  # a state may be None
        return value
    return value.to(HOST, torch.float64) if value.is_floating_point() else value.to(HOST)


def _converged(setting: Setting) -> Sums | str:
    """The first set of rules that agree, or the reason why none do; a variance of zero needs two sets."""
    try:
        found = _first_that_agrees(setting)
    except (Unreplaceable, SharedDraw, NotAlone) as reason:
        return str(reason)
    if isinstance(found, str) or _mean_is_right(setting, found):
        return found
    return "the mean over all nodes is not the exact gradient: either they miss a part, or the method is biased"


def _first_that_agrees(setting: Setting) -> Sums | str:
    reason, vanished = "", None
    for found in _attempts(setting):
        if isinstance(found, str):
            reason = found
        elif found.vanishes and vanished is None:
            vanished = found
        elif found.agrees or found.vanishes:
            return found
        else:
            reason, vanished = found.apart, None
    return vanished or reason


def _mean_is_right(setting: Setting, found: Sums) -> bool:
    """Whether the mean of an unbiased estimator is the exact gradient; True where that is unknown."""
    if setting.exact is None or not setting.estimator.unbiased or setting.estimator.target is not EXPECTED_COST:
        return True
    exact = setting.exact.to(found.mean)
    scale = float(exact.norm()) + math.sqrt(max(found.value, 0.0))
    return float((found.mean - exact).norm()) <= CONVERGED * scale + ZERO


def _attempts(setting: Setting) -> Iterator[Sums | str]:
    """Sets of rules: Gauss's on all draws, then finer ones."""
    rows = row_selections(setting)
    most = most_nodes(setting, len(rows))
    try:
        yield _by_gauss(setting)
    except TooManyDraws as reason:
        yield str(reason)
        if not _few_enough(reason.draws, most):
            return
    grids = [Grid(setting, probed(setting, each), each, FEWEST_POINTS) for each in rows]
    samples = min(number_of_samples(grid.draws) for grid in grids)
    if samples > 1 and len(grids) == 1:
        yield from _taken_apart(grids[0], samples, most)
    if samples > 1 and all(exchangeable(grid, samples) for grid in grids):
        grids = [replace(grid, samples=samples) for grid in grids]
    for rules in _finer(grids, most):
        yield _compared(rules, over_selections)


def _by_gauss(setting: Setting) -> Sums:
    moments = exact_moments(setting)
    error = float(moments.variance_error.sum())
    if error:
        error = max(error, float(spread(setting)[1].sum()))

    def again(state: State) -> float:
        return float(over_selections(finest(replace(setting, state=state)))[1].sum())

    return Sums(moments.mean, moments.total_variance, error, moments.nodes, again)


def _few_enough(draws: list[Draw], most: int) -> bool:
    """Whether one sample alone has few enough nodes."""
    samples = number_of_samples(draws)
    return math.prod(draw.radix(FEWEST_POINTS) ** (draw.sites // samples) for draw in draws) <= most


def _taken_apart(grid: Grid, samples: int, most: int) -> Iterator[Sums | str]:
    """Results from one sample alone, or from pairs, where the estimate is a mean over these."""
    alone = parts(grid, samples, 1)
    if alone is not None:
        yield from (found if isinstance(found, str) else _over(found, samples) for found in _attempts(alone.setting))
        return
    pair = parts(grid, samples, 2)
    for rules in [] if pair is None else _finer([pair], most):
        yield _compared(rules, lambda grids: variance_of_pairs(grids[0], samples))


def _over(found: Sums, samples: int) -> Sums:
    """The result for a mean of `samples` independent ones, where `found` is that of one."""
    again = found.again
    return replace(
        found, value=found.value / samples, error=found.error / samples, again=lambda state: again(state) / samples
    )


def _compared(rules: list[list[Grid]], moments: Callable[[list[Grid]], tuple[Tensor, Tensor]]) -> Sums | str:
    """The mean and variance of the finest rule, the first one, and how far the variances of the others differ."""
    try:
        for grid in rules[0]:
            same_alone(grid)
        (mean, variance), *others = [moments(grids) for grids in rules]
    except Unreplaceable as reason:  # the panels are too wide for their weights
        return str(reason)
    error = max((float((variance - other).abs().sum()) for _, other in others), default=0.0)

    def again(state: State) -> float:
        grids = [replace(grid, setting=replace(grid.setting, state=state)) for grid in rules[0]]
        return float(moments(grids)[1].sum())

    return Sums(mean, float(variance.sum()), error, sum(grid.size for grid in rules[0]), again)


def _finer(grids: list[Grid], most: int) -> Iterator[list[list[Grid]]]:
    """Sets of rules, the finest of each first: samples in any order, half lines of the noise, composite panels."""
    if all(draw.outcomes for grid in grids for draw in grid.draws):
        if all(grid.size <= most for grid in grids):
            yield [grids]
        return
    halves = [replace(grid, draws=[draw.in_parts(0, 0.0) for draw in grid.draws]) for grid in grids]
    for family in (grids, halves) if grids[0].samples > 1 else (halves,):
        points = next((n for n in range(MOST_POINTS, 3, -1) if _affordable(family, n, most)), 0)
        if points:
            yield [[replace(grid, points=n) for grid in family] for n in (points, points - 1, points - 2)]
    for budget in IN_PANELS:
        count = _panels(grids, min(budget, most))
        if count > 1:
            yield [
                [_in_panels(grid, count, REACH, POINTS) for grid in grids],
                [_in_panels(grid, count // 2, REACH, POINTS) for grid in grids],
                [_in_panels(grid, max(count * 3 // 4, 1), FURTHER, POINTS - 1) for grid in grids],
            ]


def _affordable(grids: list[Grid], points: int, most: int) -> bool:
    return all(replace(grid, points=points).size <= most for grid in grids)


def _in_panels(grid: Grid, count: int, reach: float, points: int) -> Grid:
    return replace(grid, draws=[draw.in_parts(count, reach) for draw in grid.draws], points=points)


def _panels(grids: list[Grid], most: int) -> int:
    """The most composite panels that are affordable, a power of two; 0 where none is."""
    count = 0
    while _affordable([_in_panels(grid, max(2 * count, 1), REACH, POINTS) for grid in grids], POINTS, most):
        count = max(2 * count, 1)
    return count
