"""The gradients of a block with many coordinates, folded from inner products between its replicates.

Beyond `MAX_COORDINATES` only traces, norms and deviations are kept. All of them are sums over coordinates of products
of two replicates, so one pass over the gradient gives them: the Gram matrix of each named tensor, in float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gradmark.benchmarks.measurement.grouping import group_size
from gradmark.benchmarks.measurement.moments import Array, Moments

CHUNK = 2**14  # coordinates of one step: their copy in float64 stays in a processor's cache
CHUNK_OF_A_GPU = 2**20  # there each step costs a launch
SMALL = 1e-9  # part of the largest |g|² below which a replicate is looked at for a gradient of zero


class Products(NamedTuple):
    """Inner products of the replicates' gradients g_r, in float64, and counts of wrong signs.

    With m the mean of the g_r and e the exact gradient, the vectors are g_r − m, then m and, where e is known, e and
    m − e. Differences are formed before they are squared: a small variance beside a large mean keeps its digits.
    """

    gram: Array  # [tensors, R + 1, R + 1], or R + 3 with e
    wrong: Array  # [R], coordinates whose sign is not that of e; [0] where e is unknown
    replicates: int

    @property
    def total(self) -> Array:
        """The inner products over all coordinates."""
        return self.gram.sum(0)


def fold_wide(gradient: list[Tensor], exact: Tensor | None, paired: bool) -> Moments:
    """Gradients `[R, P_j]`, one for each named tensor, to the moments that are kept of many coordinates.

    The same as `fold` to rounding, whose conventions on pairs and on non-finite replicates hold here.
    """
    replicates, nonfinite = len(gradient[0]), 0
    products = inner_products(gradient, exact)
    if not np.isfinite(products.gram).all():
        finite = torch.stack([part.isfinite().all(1) for part in gradient]).all(0)
        nonfinite = replicates - int(finite.sum())
        kept = finite.view(-1, 2).all(1).repeat_interleave(2) if paired else finite
        gradient = [part[kept] for part in gradient]
        products = inner_products(gradient, exact)
    nothing = np.zeros(0)
    norms = _square_norms(products, gradient)
    return Moments(
        replicates=replicates,
        undirected=int((norms == 0).sum()),
        units=products.replicates // 2 if paired else products.replicates,
        nonfinite=nonfinite,
        mean=nothing,
        second=nothing,
        third=nothing,
        fourth=nothing,
        within=nothing,
        deviations=products.total.diagonal()[: products.replicates].copy(),
        **_groups(products, norms, group_size(replicates), paired),
        **_against_exact(products, norms, group_size(replicates), sum(part.shape[1] for part in gradient)),
    )


def inner_products(gradient: list[Tensor], exact: Tensor | None) -> Products:
    """One pass over the gradient's tensors `[R, P_j]`."""
    sizes = [part.shape[1] for part in gradient]
    known = [None] * len(sizes) if exact is None else list(exact.to(gradient[0].device, torch.float64).split(sizes))
    products = [_of_tensor(part, e) for part, e in zip(gradient, known, strict=True)]
    wrong = torch.stack([count for _, count in products]).sum(0)
    return Products(
        torch.stack([gram for gram, _ in products]).cpu().numpy(), wrong.double().cpu().numpy(), len(gradient[0])
    )


def _of_tensor(part: Tensor, exact: Tensor | None) -> tuple[Tensor, Tensor]:
    """The Gram matrix of one named tensor, and the wrong signs of each replicate."""
    vectors = len(part) + (1 if exact is None else 3)
    gram = torch.zeros(vectors, vectors, dtype=torch.float64, device=part.device)
    wrong = torch.zeros(0 if exact is None else len(part), dtype=torch.int64, device=part.device)
    step = CHUNK if part.device.type == "cpu" else CHUNK_OF_A_GPU
    for first in range(0, part.shape[1], step):
        g = part[:, first : first + step].double()
        mean = g.mean(0, keepdim=True)
        beside = [mean]
        if exact is not None:
            e = exact[first : first + step].unsqueeze(0)
            beside += [e, mean - e]
            wrong += (g.sign() != e.sign()).sum(1)
        rows = torch.cat([g - mean, *beside])
        gram.addmm_(rows, rows.mT)
    return gram, wrong


def _square_norms(products: Products, gradient: list[Tensor]) -> Array:
    """|g_r|² of each replicate, `[R]`; exactly zero where the gradient is, and nowhere else."""
    count, gram = products.replicates, products.total
    norms = np.maximum(gram.diagonal()[:count] + 2 * gram[:count, count] + gram[count, count], np.finfo(float).tiny)
    for index in np.flatnonzero(norms <= SMALL * norms.max(initial=0)):
        if not any(bool(part[index].any()) for part in gradient):
            norms[index] = 0.0
    return norms


def _groups(products: Products, norms: Array, size: int, paired: bool) -> dict[str, Array]:
    """Traces and norms of each group of `size` consecutive replicates; those left over are dropped."""
    tensors, groups = len(products.gram), products.replicates // size
    used = products.gram[:, : groups * size, : groups * size]
    within = np.zeros((0, 1 + tensors))
    units, each = used, size
    if paired:
        # of each pair, by pairs: g_1 · g_1', g_1 · g_2', g_2 · g_1' and g_2 · g_2'
        upper, across, lower, below = (used[:, i::2, j::2] for i in (0, 1) for j in (0, 1))
        units, each = (upper + across + lower + below) / 4, size // 2
        halves = _diagonals(upper + below - across - lower) / 2
        within = _columns(halves.reshape(tensors, groups, each).mean(2))
    blocks = np.einsum("tgigj->tgij", units.reshape(tensors, groups, each, groups, each))
    spread = _columns((_diagonals(blocks).sum(2) - blocks.sum((2, 3)) / each) / (each - 1))
    return {
        "traces": spread + within / 2 if len(within) else spread,
        "within_traces": within,
        "square_norms": norms[: groups * size].reshape(-1, size).mean(1),
    }


def _against_exact(products: Products, norms: Array, size: int, coordinates: int) -> dict[str, Array]:
    """Mean squared error, cosine and wrong signs of each group; empty where the exact gradient is unknown."""
    count, groups = products.replicates, products.replicates // size
    if not len(products.wrong) or not groups:
        return {name: np.zeros(0) for name in ("squared_errors", "cosines", "wrong_signs")}
    gram, used = products.total, slice(0, groups * size)
    mean, exact, error = count, count + 1, count + 2
    errors = gram.diagonal()[used] + 2 * gram[used, error] + gram[error, error]
    with np.errstate(invalid="ignore", divide="ignore"):  # 0/0 where there is no direction
        cosines = (gram[used, exact] + gram[mean, exact]) / np.sqrt(norms[used] * gram[exact, exact])
    cosines[norms[used] == 0] = np.nan
    cosines = cosines.reshape(-1, size)
    directed = np.isfinite(cosines)
    return {
        "squared_errors": errors.reshape(-1, size).mean(1),
        "cosines": np.array([row[seen].mean() for row, seen in zip(cosines, directed, strict=True) if seen.any()]),
        "wrong_signs": (products.wrong[used] / coordinates).reshape(-1, size).mean(1),
    }


def _diagonals(matrices: Array) -> Array:
    return matrices.diagonal(axis1=-2, axis2=-1)


def _columns(tensors: Array) -> Array:
    """For each tensor `[tensors, groups]` to the total and each tensor, `[groups, 1 + tensors]`."""
    return np.concatenate([tensors.sum(0, keepdims=True), tensors]).T
