"""The gradients of a block's replicates, folded to their moments, coordinate by coordinate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gradmark.benchmarks.measurement.factored import Part, coordinates, formed
from gradmark.benchmarks.measurement.gram import fold_wide
from gradmark.benchmarks.measurement.grouping import group_size
from gradmark.benchmarks.measurement.moments import MAX_COORDINATES, Moments


def fold(gradient: Sequence[Part], exact: Tensor | None, paired: bool) -> Moments:
    """Gradients `[R, P_j]`, one for each named tensor, to their moments; non-finite replicates are set apart.

    With `paired`, replicates 2i and 2i+1 share their rows: half their squared difference is the estimator's noise, and
    what the pairs' means vary beyond it is the minibatch's.
    """
    if sum(map(coordinates, gradient)) > MAX_COORDINATES:
        return fold_wide(gradient, exact, paired)
    return fold_coordinates([formed(part) for part in gradient], exact, paired)


def fold_coordinates(gradient: list[Tensor], exact: Tensor | None, paired: bool) -> Moments:
    """The same, with the moments of each coordinate, however many there are."""
    sizes = [part.shape[1] for part in gradient]
    g = torch.cat(gradient, 1).double()
    replicates, nonfinite = len(g), 0
    mean = g.mean(0)
    if not mean.isfinite().all():  # whatever is not finite shows in the mean
        g, nonfinite = _finite(g, paired)
        mean = g.mean(0) if len(g) else g.sum(0)
    centred = g - mean
    units = centred.unflatten(0, (-1, 2)).mean(1) if paired else centred
    halves = (centred[0::2] - centred[1::2]).square() / 2 if paired else g[:0]
    square = units.square()
    return Moments(
        replicates=replicates,
        undirected=int((g == 0).all(1).count_nonzero()),
        units=len(units),
        nonfinite=nonfinite,
        mean=_numpy(mean),
        second=_numpy(square.sum(0)),
        third=_numpy((square * units).sum(0)),
        fourth=_numpy(square.square().sum(0)),
        within=_numpy(halves.sum(0)) if paired else np.zeros(0),
        deviations=_numpy((centred.square() if paired else square).sum(1)),
        shared=0,
        **_groups(g, units, halves, sizes, replicates, exact),
    )


def _finite(g: Tensor, paired: bool) -> tuple[Tensor, int]:
    """The finite replicates, with `paired` those whose partner is finite too; and how many are not."""
    finite = g.isfinite().all(1)
    kept = finite.view(-1, 2).all(1).repeat_interleave(2) if paired else finite
    return g[kept], len(g) - int(finite.sum())


def _groups(
    g: Tensor, units: Tensor, halves: Tensor, sizes: list[int], replicates: int, exact: Tensor | None
) -> dict[str, np.ndarray]:
    """The quantities of each group of consecutive replicates, those left over by non-finite ones dropped."""
    size = group_size(replicates)
    groups = len(g) // size
    each = size * len(units) // max(len(g), 1)  # units in a group
    spread = _variance(units[: groups * each].unflatten(0, (groups, each))) if groups else units[:0]
    within = halves[: groups * each].unflatten(0, (groups, each)).mean(1) if groups and len(halves) else halves[:0]
    traces = spread + within / 2 if len(within) else spread
    g = g[: groups * size]
    square_norms = g.square().sum(1)
    columns = {"square_norms": square_norms, "squared_errors": g[:0, 0], "cosines": g[:0, 0], "wrong_signs": g[:0, 0]}
    if exact is not None and groups:
        exact = exact.to(g)
        columns["squared_errors"] = (g - exact).square().sum(1)
        columns["cosines"] = (g @ exact) / (square_norms.sqrt() * exact.norm())  # 0/0 where there is no direction
        columns["wrong_signs"] = (g.sign() != exact.sign()).double().mean(1)
    means = {name: _numpy(value.view(-1, size).mean(1)) for name, value in columns.items()}
    cosines = _numpy(columns["cosines"].view(-1, size).nanmean(1))
    means["cosines"] = cosines[np.isfinite(cosines)]
    return {"traces": _columns(traces, sizes), "within_traces": _columns(within, sizes), **means}


def _variance(grouped: Tensor) -> Tensor:
    """The unbiased variance within each group, `[groups, each, P]` to `[groups, P]`; `Tensor.var` is slower."""
    centred = grouped - grouped.mean(1, keepdim=True)
    return centred.square().sum(1) / (grouped.shape[1] - 1)


def _columns(coordinates: Tensor, sizes: list[int]) -> np.ndarray:
    """Per coordinate `[groups, P]` to the total and each named tensor, `[groups, 1 + tensors]`."""
    parts = [part.sum(1) for part in coordinates.split(sizes, 1)]
    return _numpy(torch.stack([coordinates.sum(1), *parts], 1))


def _numpy(value: Tensor) -> np.ndarray:
    return value.cpu().numpy()
