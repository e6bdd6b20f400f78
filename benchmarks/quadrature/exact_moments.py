"""The exact mean and variance of an estimate: the nodes of a grid replace its draws, one node in each replicate.

Every operation that draws is intercepted at the dispatcher, below autograd, so that gradients pass through the draws.
Replicate r gets node r of a product grid; its weight is computed at the draw, from the probabilities that the code
passes. A second grid gives the error of the rule. All that is assumed of an estimator is that it draws from torch.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradmark.benchmarks.measurement.block import Setting, numbers
from gradmark.benchmarks.problems import Minibatch
from gradmark.benchmarks.quadrature.grid import ALIKE, Grid
from gradmark.benchmarks.quadrature.probing import FEWEST_POINTS, MOST_NUMBERS, probed
from gradmark.benchmarks.quadrature.rules import IMPLICIT, MOST_POINTS, Draw, TooManyDraws, Unreplaceable
from gradmark.benchmarks.quadrature.substitution import PROBE

FEWEST_IN_PANELS = 6  # where the integrand is discontinuous across panels
MOST_NODES = 2**15
MOST_SELECTIONS = 64  # of the rows of a minibatch
WATCHED = 3  # nodes that are also run alone
COARSE_POINTS = (12, 24)  # of rules that are tried before the finest
RARE = 0.01  # a part of (0, 1) that two coarse rules may both miss
AGREEMENT = 1e-11  # times the largest |g| + sd, and variance: a larger error of a coarse rule is not rounding
OTHER_RULES = (0, 1, 2, 3, 5)  # points fewer than the finest rule has, of the rules in `spread`


class NotAlone(Exception):
    """A replicate's gradient depends on the others'."""


@dataclass(frozen=True)
class ExactMoments:
    """The mean and the variance of one estimate, per coordinate `[P]`, and the quadrature's error in both."""

    mean: Tensor
    variance: Tensor
    mean_error: Tensor
    variance_error: Tensor
    nodes: int
    approximate: bool  # torch's implicit gradient of a gamma draw has an error of 3e-5
    summed: bool = False  # all draws are discrete and all outcomes are summed, without quadrature error

    @property
    def agrees(self) -> bool:
        """Whether the quadrature's error is rounding, at the scale of the estimate; never where all nodes give zero."""
        largest, variance = (self.mean.abs() + self.variance.sqrt()).max(), self.variance.max()
        near = self.mean_error.max() <= AGREEMENT * largest and self.variance_error.max() <= AGREEMENT * variance
        return bool(near and variance > 0)

    @property
    def total_variance(self) -> float:
        """The trace of the covariance."""
        return float(self.variance.sum())


def row_selections(setting: Setting) -> list[Tensor | None]:
    """All selections of the rows of a minibatch, equally likely; [None] where nothing is selected."""
    problem = setting.problem
    if problem.template is problem:
        return [None]
    if not isinstance(problem, Minibatch) or math.comb(problem.template.num_rows, problem.size) > MOST_SELECTIONS:
        raise Unreplaceable("the rows can be selected in too many ways")
    return [torch.tensor(rows) for rows in itertools.combinations(range(problem.template.num_rows), problem.size)]


def most_nodes(setting: Setting, ways: int) -> int:
    """How many nodes are affordable for each of `ways` selections."""
    return min(MOST_NODES, MOST_NUMBERS // numbers(setting)) // ways


def finest(setting: Setting) -> list[Grid]:
    """For each selection of rows, the finest grid that is affordable."""
    selections = row_selections(setting)
    return [_finest(setting, rows, len(selections)) for rows in selections]


def _finest(setting: Setting, rows: Tensor | None, ways: int) -> Grid:
    """The finest grid that is affordable for one of `ways` selections."""
    draws, most = probed(setting, rows), most_nodes(setting, ways)
    sites = sum(draw.sites for draw in draws)
    fewest = FEWEST_IN_PANELS if any(draw.panels > 1 for draw in draws) else FEWEST_POINTS
    continuous = any(not draw.outcomes for draw in draws)
    for points in range(MOST_POINTS, fewest - 1, -1) if continuous else (fewest,):
        grid = Grid(setting, draws, rows, points)
        if sites * math.log(2) < 60 and grid.size <= most:
            return grid
    raise TooManyDraws(f"too many draws: the {sites} numbers of one estimate need more than {most} nodes", draws)


def spread(setting: Setting) -> tuple[Tensor, Tensor]:
    """The range of the mean and of the variance over several rules, a safer estimate of the quadrature's error.

    Where the integrand jumps inside a panel, two rules may be wrong by the same amount; several with other nodes are
    not.
    """
    fine = finest(setting)
    others = [[replace(grid, points=max(2, grid.points - fewer)) for grid in fine] for fewer in OTHER_RULES]
    others.append(
        [replace(grid, draws=[d.split() for d in grid.draws], points=max(2, grid.points // 2)) for grid in fine]
    )
    rules = [over_selections(grids) for grids in others]
    means, variances = (torch.stack(part) for part in zip(*rules, strict=True))
    return means.amax(0) - means.amin(0), variances.amax(0) - variances.amin(0)


def exact_moments(setting: Setting) -> ExactMoments:
    """The exact mean and variance of one estimate, for parameters in float64 on the CPU.

    A coarse rule is enough where it agrees with a coarser one to rounding, and no event is so rare that both miss it.
    Raises Unreplaceable where the draws cannot be replaced, SharedDraw and NotAlone where replicates are not
    independent, and whatever the estimator raises.
    """
    fine = finest(setting)
    for grid in fine:
        same_alone(grid)
    for points in COARSE_POINTS if all(_has_no_rare_event(draw) for grid in fine for draw in grid.draws) else ():
        if any(grid.points > points for grid in fine):
            coarse = _moments([replace(grid, points=min(grid.points, points)) for grid in fine])
            if coarse.agrees:
                return coarse
    return _moments(fine)


def _has_no_rare_event(draw: Draw) -> bool:
    """Whether no state of z hides between the nodes: bits may be cut from a uniform draw, and categories from noise."""
    if draw.outcomes or draw.kind not in ("uniform", "exponential"):
        return True
    return draw.panels > 1 and min(b - a for site in draw.edges for a, b in itertools.pairwise(site)) >= RARE


def _moments(grids: list[Grid]) -> ExactMoments:
    """The moments by these grids; a rule with fewer points gives their error."""
    mean, variance = over_selections(grids)
    nodes, draws = sum(grid.size for grid in grids), [draw for grid in grids for draw in grid.draws]
    if all(draw.outcomes for draw in draws):
        zero = torch.zeros_like(mean)
        return ExactMoments(mean, variance, zero, zero, nodes, False, summed=True)
    rough_mean, rough_variance = over_selections([replace(grid, points=max(2, grid.points * 3 // 4)) for grid in grids])
    errors = ((mean - rough_mean).abs(), (variance - rough_variance).abs())
    return ExactMoments(mean, variance, *errors, nodes, any(draw.kind in IMPLICIT for draw in draws))


def over_selections(grids: list[Grid]) -> tuple[Tensor, Tensor]:
    """The mean and the variance over all selections and their nodes."""
    moments = [grid.moments() for grid in grids]
    first = torch.stack([mean for mean, _ in moments]).mean(0)
    second = torch.stack([square for _, square in moments]).mean(0)
    return first, (second - first**2).clamp_min(0.0)


def same_alone(grid: Grid) -> None:
    """Raise where a node alone has another gradient than among others, or another one when it is run again."""
    watched = torch.linspace(0, grid.size - 1, min(WATCHED, grid.size)).long()
    index = torch.cat([watched, torch.arange(min(grid.size, PROBE))])
    together, again = grid.gradients(index)[0], grid.gradients(index)[0]
    if not torch.equal(together.nan_to_num(), again.nan_to_num()):
        raise Unreplaceable("the same nodes gave other numbers: something draws elsewhere than from torch")
    for row, node in enumerate(watched):
        alone = grid.gradients(node.reshape(1))[0][0]
        off = (alone - together[row]).abs().max()
        if off > ALIKE * (1 + alone.abs().max()):
            raise NotAlone(f"a replicate alone has another gradient than among {len(index)} of them, by {off:.3g}")
