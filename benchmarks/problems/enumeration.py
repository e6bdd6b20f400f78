"""What problems with a finite or one-dimensional z share: sums over all of its states, a part of the rows at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

MOST_NUMBERS = 2**22  # in one tensor over rows and states: 32 MiB
NODES = 512  # of the integral in `importance_weighted_bound`, about
STEP = 0.3  # of its trapezoidal rule, whose error is exp(−π²/STEP)
NEGLIGIBLE = 40.0  # minus the logarithm of what is left out


def by_rows(function: Callable[..., Tensor], states: int, *tensors: Tensor) -> Tensor:
    """`function` of tensors `[*R, rows, …]`, a part of the rows at a time and recomputed backward: bounded memory."""
    rows = tensors[0].shape[-2]
    size = max(1, MOST_NUMBERS * rows // (states * tensors[0].shape[:-1].numel()))
    if size >= rows:
        return function(*tensors)
    parts = zip(*(each.split(size, dim=-2) for each in tensors), strict=True)
    return torch.cat([checkpoint(function, *part, use_reentrant=False, preserve_rng_state=False) for part in parts], -1)


def importance_weighted_bound(
    log_prob: Float[Tensor, "*batch states"], log_weight: Float[Tensor, "*batch states"], num_samples: int
) -> Float[Tensor, "*batch"]:
    """E[log 1/K Σ_k w_k] for K independent draws from finitely many states, to 1e-12, in float64 and for any K.

    Σ over the states^K tuples is avoided by log v = ∫ (e^{−t} − e^{−vt}) dt/t, which makes a product of the mean:

        E[log 1/K Σ_k w_k] = ∫ (exp(−e^u) − φ(e^u)^K) du,    φ(t) = Σ_states p exp(−t w/K),    t = e^u

    The integrand is analytic for |Im u| < π/2, so that the trapezoidal rule converges geometrically. Weights are taken
    relative to exp(E[log w]), and the integral goes as far as those of states that can be drawn reach.

    Reference: trefethen2014
    """
    prob = log_prob.exp()
    centre = (prob * log_weight).sum(-1, keepdim=True).detach()
    log_ratio = log_weight - centre - math.log(num_samples)
    reached = log_ratio.detach()[log_prob > -NEGLIGIBLE]
    low, high = -max(float(reached.max()), 0.0) - NEGLIGIBLE, -min(float(reached.min()), 0.0) + math.log(NEGLIGIBLE)
    u = torch.arange(low, high, STEP, dtype=log_prob.dtype, device=log_prob.device)
    exponent = (log_ratio.unsqueeze(-1) + u).clamp(max=7.0)  # where exp(−exp) is zero, and so is its derivative
    mean = (prob.unsqueeze(-1) * torch.exp(-exponent.exp())).sum(-2)
    return centre.squeeze(-1) + STEP * (torch.exp(-u.exp()) - mean**num_samples).sum(-1)
