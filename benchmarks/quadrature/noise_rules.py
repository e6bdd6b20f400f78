"""Quadrature rules on the scale of the noise, in parts: Gauss's for a half line, Gauss–Legendre's for a panel.

The scale of a normal is ε, that of an exponential is t with x = t², where its root (a Rayleigh) is smooth. The parts
meet at 0, where the sign of ε changes; composite panels resolve what is narrow compared with the noise.
"""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gradmark.benchmarks.measurement.moments import Array

FAR = 13.0  # where the rule of a half line is cut off: the weight beyond is 1e-37
FINE, POINTS = 64, 32  # panels and points of the fine rule that the rule of a half line is derived from
DENSITIES = {
    "normal": lambda e: np.exp(-(e**2) / 2) / math.sqrt(2 * math.pi),
    "exponential": lambda t: 2 * t * np.exp(-(t**2)),
}


def cuts(kind: str, panels: int, reach: float) -> tuple[float, ...]:
    """Where the parts meet: `panels` of them between 0 and `reach` standard deviations; half lines for 0 panels."""
    upper = [0.0, math.inf]
    if panels:
        far = reach if kind == "normal" else reach / math.sqrt(2)  # of t, whose square is half a squared Rayleigh
        upper = [far * number / panels for number in range(panels + 1)]
    return tuple(upper if kind == "exponential" else [-each for each in upper[:0:-1]] + upper)


@cache
def parts(kind: str, edges: tuple[float, ...], points: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights, `points` in each part between neighbouring edges, ascending."""
    found = [_part(kind, low, high, points) for low, high in itertools.pairwise(edges)]
    node, weight = (np.concatenate(each) for each in zip(*found, strict=True))
    return torch.from_numpy(node), torch.from_numpy(weight)


def _part(kind: str, low: float, high: float, points: int) -> tuple[Array, Array]:
    if math.isinf(low):
        node, weight = _half_line(kind, points)
        return -node[::-1], weight[::-1].copy()
    return _half_line(kind, points) if math.isinf(high) else _panel(kind, low, high, points)


@cache
def _legendre(points: int) -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(points)


def _panel(kind: str, low: float, high: float, points: int) -> tuple[Array, Array]:
    node, weight = _legendre(points)
    x = low + (high - low) * (node + 1) / 2
    return x, weight * (high - low) / 2 * DENSITIES[kind](x)


@cache
def _half_line(kind: str, points: int) -> tuple[Array, Array]:
    """Gauss's rule for the density on (0, ∞), exact for polynomials of degree 2 points − 1: Stieltjes's procedure."""
    edges = [FAR * number / FINE for number in range(FINE + 1)]
    fine = [_panel(kind, low, high, POINTS) for low, high in itertools.pairwise(edges)]
    x, w = (np.concatenate(each) for each in zip(*fine, strict=True))
    mass = w.sum()
    before, now = np.zeros_like(x), np.full_like(x, 1 / math.sqrt(mass))
    diagonal, beside = np.zeros(points), np.zeros(points)
    for degree in range(points):
        diagonal[degree] = w @ (x * now**2)
        following = (x - diagonal[degree]) * now - (beside[degree - 1] if degree else 0.0) * before
        beside[degree] = math.sqrt(w @ following**2)
        before, now = now, following / beside[degree]
    from scipy import linalg  # here, as few commands make a rule

    node, vectors = linalg.eigh_tridiagonal(diagonal, beside[:-1])
    weight: NDArray[np.float64] = mass * vectors[0] ** 2
    return node, weight
