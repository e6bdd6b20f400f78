"""Importance-weighted bounds of a Gaussian q of one latent, by quadrature."""

from __future__ import annotations

import torch
from torch import Tensor

from gradmark.benchmarks.problems.enumeration import NODES, by_rows, importance_weighted_bound
from gradmark.estimators.core import LatentVariableModel, Params

GRID = 1025  # points of z: log w may change by e^20 within a standard deviation


def bound_of_one_latent(problem: LatentVariableModel, params: Params, num_samples: int) -> Tensor:
    """E[log 1/K Σ_k w_k], `[*R, rows]`: the trapezoidal rule on a grid that reaches 9 standard deviations of q."""
    wide = {name: value.double() for name, value in params.items()}
    q = problem.distribution(wide)
    e = torch.linspace(-9, 9, GRID, dtype=torch.float64, device=wide["bias"].device)
    z = q.mean + q.stddev * e.reshape(-1, *[1] * q.mean.dim())
    log_weight = -problem.cost(wide, z, q).movedim(0, -1) / problem.latent_weight
    log_prob = (-(e**2) / 2).log_softmax(-1)

    def bound(log_weight: Tensor) -> Tensor:
        return importance_weighted_bound(log_prob.expand_as(log_weight), log_weight, num_samples)

    return (by_rows(bound, GRID * NODES, log_weight) * problem.latent_weight).to(params["bias"].dtype)
