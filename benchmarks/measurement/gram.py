"""The gradients of a block with many coordinates, folded from inner products between its replicates.

Beyond `MAX_COORDINATES` a study keeps only traces, norms and deviations. All of them are sums over coordinates of
products of two replicates, so one pass over the gradient gives them: the Gram matrix of each named tensor, in float64.
The moments of each coordinate are made in the same pass, where they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gradmark.benchmarks.measurement.coordinate_moments import CoordinateMoments
from gradmark.benchmarks.measurement.factored import Factored, Part, coordinates, formed
from gradmark.benchmarks.measurement.grouping import group_size
from gradmark.benchmarks.measurement.moments import Array, Moments

CHUNK = 2**16  # numbers of one step: their copy in float64 stays in a processor's cache
CHUNK_OF_A_GPU = 2**23  # there each step costs a launch
SMALL = 1e-9  # part of the largest |g|² below which a replicate is looked at for a gradient of zero
CANCELLED = 1e-3  # part of |g|² below which the square of a difference is not taken from inner products of the g


class Products(NamedTuple):
    """Inner products of the replicates' gradients g_r, in float64, and counts of wrong signs.

    With m the mean of the g_r and e the exact gradient, the vectors are g_r − m, then m and, where e is known, e and
    m − e. A small variance beside a large mean keeps its digits: there differences are formed before they are squared.
    """

    gram: Array  # [tensors, R + 1, R + 1], or R + 3 with e
    wrong: Array  # [R], coordinates whose sign is not that of e; [0] where e is unknown
    replicates: int

    @property
    def total(self) -> Array:
        """The inner products over all coordinates."""
        return self.gram.sum(0)


def fold_wide(gradient: Sequence[Part], exact: Tensor | None, paired: bool, each_coordinate: bool = False) -> Moments:
    """Gradients `[R, P_j]`, one for each named tensor, to the moments that are kept of many coordinates.

    The same as `fold` to rounding, whose conventions on pairs and on non-finite replicates hold here. The moments of
    each coordinate are empty but with `each_coordinate`.
    """
    replicates, nonfinite = len(gradient[0]), 0
    kept = _kept(gradient, paired, each_coordinate)
    products = inner_products(gradient, exact, paired, kept)
    if not np.isfinite(products.gram).all():
        finite = torch.stack([formed(part).isfinite().all(1) for part in gradient]).all(0)
        nonfinite = replicates - int(finite.sum())
        used = finite.view(-1, 2).all(1).repeat_interleave(2) if paired else finite
        gradient = [part[used] for part in gradient]
        kept = _kept(gradient, paired, each_coordinate)
        products = inner_products(gradient, exact, paired, kept)
    norms = _square_norms(products, gradient)
    return Moments(
        replicates=replicates,
        undirected=int((norms == 0).sum()),
        units=products.replicates // 2 if paired else products.replicates,
        nonfinite=nonfinite,
        deviations=products.total.diagonal()[: products.replicates].copy(),
        shared=0,
        **kept.fields(),
        **_groups(products, norms, group_size(replicates), paired),
        **_against_exact(products, norms, group_size(replicates), sum(map(coordinates, gradient))),
    )


def _kept(gradient: Sequence[Part], paired: bool, each_coordinate: bool) -> CoordinateMoments:
    """Where the moments of each coordinate go; empty where they are not wanted."""
    count = sum(map(coordinates, gradient)) if each_coordinate else 0
    return CoordinateMoments(count, paired and each_coordinate, gradient[0].device)


def inner_products(gradient: Sequence[Part], exact: Tensor | None, paired: bool, kept: CoordinateMoments) -> Products:
    """One pass over the gradient's tensors `[R, P_j]`; a second one over those of which differences are small.

    With an exact gradient, or the moments of each coordinate, differences are formed in the one pass.
    """
    count = len(gradient[0])
    if exact is None and not kept.wanted:
        raw = torch.stack([_between_replicates(part) for part in gradient]).cpu().numpy()
        with np.errstate(invalid="ignore"):  # what is not finite
            gram = _centred(raw)
        for index in np.flatnonzero(_cancelled(gram, raw, paired)).tolist():
            gram[index] = _of_tensor(formed(gradient[index]), None, kept)[0].cpu().numpy()
        return Products(gram, np.zeros(0), count)
    known: Sequence[Tensor | None] = [None] * len(gradient)
    if exact is not None:
        known = exact.to(gradient[0].device, torch.float64).split([coordinates(part) for part in gradient])
    products = [_of_tensor(formed(part), e, kept) for part, e in zip(gradient, known, strict=True)]
    wrong = torch.stack([count for _, count in products]).sum(0)
    return Products(torch.stack([gram for gram, _ in products]).cpu().numpy(), wrong.double().cpu().numpy(), count)


def _between_replicates(part: Part) -> Tensor:
    """⟨g_r, g_s⟩, `[R, R]`."""
    products = part.products_of_rows() if isinstance(part, Factored) else None
    if products is not None:
        return products
    g = formed(part)
    gram = torch.zeros(len(g), len(g), dtype=torch.float64, device=g.device)
    for first in range(0, g.shape[1], _step(g)):
        rows = g[:, first : first + _step(g)].double()
        gram.addmm_(rows, rows.mT)
    return gram


def _step(g: Tensor) -> int:
    """How many coordinates of all replicates are taken at once."""
    return max((CHUNK if g.device.type == "cpu" else CHUNK_OF_A_GPU) // max(len(g), 1), 1)


def _centred(raw: Array) -> Array:
    """⟨g_r, g_s⟩ of each tensor to the inner products of the g_r − m and then m, `[tensors, R + 1, R + 1]`."""
    tensors, count = raw.shape[:2]
    with_mean = raw.mean(2, keepdims=True) if count else raw.sum(2, keepdims=True)
    square = with_mean.mean(1, keepdims=True) if count else np.zeros((tensors, 1, 1))
    off = with_mean - square
    return np.block([[raw - with_mean - with_mean.swapaxes(1, 2) + square, off], [off.swapaxes(1, 2), square]])


def _cancelled(gram: Array, raw: Array, paired: bool) -> NDArray[np.bool_]:
    """Of which tensors a difference that is needed is small beside what it is one of, `[tensors]`."""
    norms, count = _diagonals(raw), raw.shape[1]
    small = np.any(_diagonals(gram)[:, :count] < CANCELLED * norms, axis=1)
    if paired:
        across = _diagonals(raw[:, 0::2, 1::2])
        sums = norms[:, 0::2] + norms[:, 1::2]
        small = small | np.any(sums - 2 * across < CANCELLED * sums, axis=1)
    return np.asarray(small)


def _of_tensor(part: Tensor, exact: Tensor | None, kept: CoordinateMoments) -> tuple[Tensor, Tensor]:
    """The Gram matrix of one named tensor, and the wrong signs of each replicate; its coordinates go to `kept`."""
    vectors = len(part) + (1 if exact is None else 3)
    gram = torch.zeros(vectors, vectors, dtype=torch.float64, device=part.device)
    wrong = torch.zeros(0 if exact is None else len(part), dtype=torch.int64, device=part.device)
    step = _step(part)
    for first in range(0, part.shape[1], step):
        g = part[:, first : first + step].double()
        mean = (g.mean if len(g) else g.sum)(0, keepdim=True)
        beside = [mean]
        if exact is not None:
            e = exact[first : first + step].unsqueeze(0)
            beside += [e, mean - e]
            wrong += (g.sign() != e.sign()).sum(1)
        rows = torch.cat([g - mean, *beside])
        gram.addmm_(rows, rows.mT)
        if kept.wanted:
            kept.add(mean, rows[: len(g)])
    return gram, wrong


def _square_norms(products: Products, gradient: Sequence[Part]) -> Array:
    """|g_r|² of each replicate, `[R]`; exactly zero where the gradient is, and nowhere else."""
    count, gram = products.replicates, products.total
    norms = np.maximum(gram.diagonal()[:count] + 2 * gram[:count, count] + gram[count, count], np.finfo(float).tiny)
    for index in np.flatnonzero(norms <= SMALL * norms.max(initial=0)):
        if not any(bool(formed(part[index : index + 1]).any()) for part in gradient):
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
