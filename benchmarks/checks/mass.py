"""Check that a density integrates to one: a sum over outcomes, or an integral over continuous coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Transform, biject_to
from torch.distributions.constraints import Constraint

from gradmark.benchmarks.checks.cases import HOST, Case
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.benchmarks.measurement.block import seeded

DRAWS = 2**14  # that show where the density lies
FEWEST = 2**11
MOST_NUMBERS = 2**20  # in all draws
MOST_ROWS = 3  # of a batch, whose densities are integrated
POINTS = 2**13  # at which a density is integrated
FEWEST_POINTS = 2**11
CENTRES = 2**7  # draws of each outcome, about which the points lie
DEGREES = 4.0  # of freedom of the points about a centre
MOST_CONTINUOUS = 4  # coordinates of z
MOST_OUTCOMES = 2**10  # of the discrete coordinates of z, where all are discrete
MOST_MIXED = 16  # of the discrete coordinates, where others are continuous
TOLERANCE = 0.03  # of an integral, added to six of its standard errors
ROUNDING = 1e-6  # of a sum


class _Unknown(Exception):
    """The mass cannot be computed, and why."""


@check
def density_has_mass_one(case: Case) -> CheckResult:
    """e^{log q} sums or integrates to one, over at most four continuous coordinates.

    The sum is over the outcomes that were drawn, the integral over the box that many draws span, by importance
    sampling about some of them. So log q is not evaluated where q never draws.
    """
    problem, params = case.problem.template, {name: value.detach() for name, value in case.params.items()}
    q = problem.distribution(params)
    rows = q.batch_shape.numel()
    draws = min(DRAWS, max(MOST_NUMBERS // max(rows * q.event_shape.numel(), 1), FEWEST))
    with seeded(1, HOST):
        z = q.sample(torch.Size((draws,)))
        reach = 0.0
        try:
            for row in range(min(rows, MOST_ROWS if draws == DRAWS else 1)):
                low, mass, high = _mass(_Density(q, z, row))
                if not low <= mass <= high:
                    return failed(
                        f"e^{{log q}} sums to {mass:.4g} instead of 1: `log_prob` lacks a term or a constant, or is "
                        "not the density of what `sample` draws",
                        error=mass - 1,
                        smallest_detectable=max(1 - low, high - 1),
                    )
                reach = max(reach, 1 - low, high - 1)
        except _Unknown as reason:
            return skipped(str(reason))
        except NotImplementedError:
            return skipped("q has no log_prob")
    return passed(reach)


@dataclass(frozen=True)
class _Density:
    """The density of one row as a function of free coordinates `[points, d]`; the other rows are held at a draw."""

    q: Distribution
    z: Tensor
    row: int

    @property
    def draws(self) -> Tensor:
        """The row's draws, `[draws, *event]`."""
        return self.z.reshape(len(self.z), -1, *self.q.event_shape)[:, self.row]

    @property
    def transform(self) -> Transform | None:
        """From free coordinates to the support of a continuous q, or None where q declares none."""
        try:
            support = self.q.support
            if not isinstance(support, Constraint) or support.is_discrete:
                return None
            return biject_to(support)
        except NotImplementedError:
            return None

    def free(self) -> Tensor:
        """The free coordinates of the row's draws, `[draws, d]`."""
        value = self.draws if self.transform is None else _inverse(self.transform, self.draws)
        flat = value.reshape(len(value), -1).double()
        if not flat.isfinite().all():
            raise _Unknown("some draws lie at the edge of q's support")
        return flat

    def log(self, free: Tensor) -> Tensor:
        """The log density at the points, in free coordinates."""
        transform = self.transform
        if transform is None:
            value, change = free.reshape(len(free), *self.q.event_shape), 0.0
        else:
            inner = free.reshape(len(free), *_inverse(transform, self.draws[:1]).shape[1:])
            value = cast(Tensor, transform(inner))
            change = cast(Tensor, transform.log_abs_det_jacobian(inner, value)).reshape(len(free), -1).sum(-1)
        points = self.z[:1].expand(len(free), *self.z.shape[1:]).clone()
        points.view(len(free), -1, *self.q.event_shape)[:, self.row] = value.to(points)
        log_q = self.q.log_prob(points).detach()
        return log_q.reshape(len(free), -1)[:, self.row].double() + change


def _inverse(transform: Transform, value: Tensor) -> Tensor:
    return cast(Tensor, transform.inv(value))


def _mass(density: _Density) -> tuple[float, float, float]:
    """The mass, with the smallest and the largest value that passes."""
    free = density.free()
    counts = [len(column.unique()) for column in free.T]
    discrete = torch.tensor([count <= len(free) // 8 for count in counts])
    if any(len(free) // 8 < count < len(free) for count in counts):
        raise _Unknown("some values of z repeat among the draws, and others do not")
    continuous = int((~discrete).sum())
    if continuous > MOST_CONTINUOUS:
        raise _Unknown(
            f"z has {continuous} continuous coordinates; the integral is computed over at most {MOST_CONTINUOUS}"
        )
    outcomes, which = free[:, :0][:1], torch.zeros(len(free), dtype=torch.long)
    if discrete.any():
        outcomes, which = free[:, discrete].unique(dim=0, return_inverse=True)
    if len(outcomes) > (MOST_MIXED if continuous else MOST_OUTCOMES):
        raise _Unknown(f"the discrete coordinates of z have too many outcomes, {len(outcomes)}")
    once = int((which.bincount() == 1).sum())  # Good and Turing: their share estimates the mass of outcomes not drawn
    unseen = (2 * once + 20 * bool(discrete.any()) + 40 * continuous) / len(free)
    if not continuous:
        mass = float(density.log(outcomes).exp().sum())
        return 1 - unseen - ROUNDING, mass, 1 + ROUNDING
    mass, error = _integral(density, free, discrete, which)
    if not math.isfinite(mass) or not error <= TOLERANCE / 3:
        raise _Unknown(f"the integral of e^{{log q}} is not accurate enough: {mass:.3g} ± {error:.2g}")
    return 1 - unseen - TOLERANCE - 6 * error, mass, 1 + TOLERANCE + 6 * error


def _integral(density: _Density, free: Tensor, discrete: Tensor, which: Tensor) -> tuple[float, float]:
    """The integral over the box of all draws, summed over the outcomes of the discrete coordinates, and its error.

    Importance sampling: points about some of the draws, weighted by e^{log q} over the points' own density.
    """
    x = free[:, ~discrete]
    low, high = x.amin(0), x.amax(0)
    factor = _factor(x, which)
    count = min(POINTS, max(MOST_NUMBERS // density.z[0].numel(), FEWEST_POINTS))
    total, variance = 0.0, 0.0
    for outcome in range(int(which.max()) + 1):
        mine = x[which == outcome]
        centres = mine[: min(CENTRES, len(mine))]
        spread = factor * (4 / ((x.shape[1] + 2) * len(centres))) ** (1 / (x.shape[1] + 4))
        points = centres[torch.randint(len(centres), (count,))] + _student(count, x.shape[1]) @ spread.mT
        inside = ((points >= low) & (points <= high)).all(1)
        at = free[which == outcome][:1].expand(int(inside.sum()), -1).clone()
        at[:, ~discrete] = points[inside]
        weight = torch.zeros(count, dtype=torch.float64)
        weight[inside] = (density.log(at) - _log_density(points[inside], centres, spread)).exp()
        total, variance = total + float(weight.mean()), variance + float(weight.var()) / count
    return total, math.sqrt(variance)


def _factor(x: Tensor, which: Tensor) -> Tensor:
    """The Cholesky factor of the covariance of the draws within outcomes, with outliers clipped."""
    off = x.clone()
    for outcome in range(int(which.max()) + 1):
        off[which == outcome] -= x[which == outcome].median(0).values
    width = off.quantile(0.75, 0) - off.quantile(0.25, 0)
    if not (width > 0).all():
        raise _Unknown("the draws lie too close together")
    off = (off / width).clamp(-5, 5)
    covariance = off.mT @ off / len(off)
    if float(torch.linalg.eigvalsh(covariance)[0]) < 1e-8:
        raise _Unknown("the draws lie on a surface, and q declares no support")
    return torch.diag(width) @ torch.linalg.cholesky(covariance)


def _student(count: int, size: int) -> Tensor:
    """Multivariate Student's t numbers `[count, size]`."""
    normal = torch.randn(count, size, dtype=torch.float64)
    chi = torch.from_numpy(np.random.default_rng(0).chisquare(DEGREES, count))
    return normal * (DEGREES / chi).sqrt().unsqueeze(1)


def _log_density(points: Tensor, centres: Tensor, spread: Tensor) -> Tensor:
    """The log density of points about the centres."""
    size = points.shape[1]
    apart = (points.unsqueeze(1) - centres).reshape(-1, size)
    square = torch.linalg.solve_triangular(spread, apart.mT, upper=False).square().sum(0).view(len(points), -1)
    constant = (
        math.lgamma((DEGREES + size) / 2)
        - math.lgamma(DEGREES / 2)
        - size / 2 * math.log(DEGREES * math.pi)
        - float(spread.diagonal().log().sum())
    )
    kernel = constant - (DEGREES + size) / 2 * (square / DEGREES).log1p()
    return kernel.logsumexp(1) - math.log(len(centres))
