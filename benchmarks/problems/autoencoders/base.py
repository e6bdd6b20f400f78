"""What the auto-encoders share: rows of pixels, layers that start the same on every machine, the pixels' likelihood."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from gradmark.benchmarks import data
from gradmark.benchmarks.problems.sizes import MOST_COORDINATES, check_at_most, check_sizes, short
from gradmark.estimators.core import LatentVariableModel, Params, Problem, linear


class ImageModel(LatentVariableModel):
    """A model of the first `rows` images of a data set, all of them for None."""

    data: str  # fields of the subclasses, in an order of their own
    rows: int | None

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return pixels(self.data, self.rows, dtype, device)

    @property
    def num_rows(self) -> int:
        return self.rows or data.find(self.data).rows

    @property
    def seen_rows(self) -> int:
        """How many rows each replicate sees, without a copy of them."""
        return self.num_rows if self._selected is None else self._selected.shape[-1]


def check_layers(problem: Problem, name: str, rows: int | None, latents: Sequence[str], hidden: int = 1) -> None:
    """BadInput for an unknown data set, ValueError for one that is no images or a size out of range.

    `latents` names the fields that say how many latents a layer has, and `hidden` is the size of the layers between.
    """
    call = type(problem).__name__
    check_rows(call, name, rows)
    sizes = {**{field: getattr(problem, field) for field in latents}, "hidden": hidden}
    for field, value in sizes.items():
        if value < 1:
            raise ValueError(f"{call}({field}={short(value)}): a layer has at least one unit; pass 1 or more")
        if field != "hidden":
            check_at_most(problem, MOST_COORDINATES, "latents are taken apart one by one", **{field: value})
    widest = max(data.find(name).columns, *sizes.values())
    check_sizes(problem, *latents, **{f"a layer of hidden={short(hidden)} units": hidden * widest})


def check_rows(call: str, name: str, rows: int | None) -> None:
    """BadInput for an unknown data set, ValueError for one that is no images, or has not as many rows."""
    images = [each for each, known in data.DATA_SETS.items() if known.images]
    if not data.find(name).images:
        raise ValueError(f"{call}(data={name!r}): no pixels in [0, 1]; use one of {', '.join(images)}")
    most = data.find(name).rows
    if rows is not None and not 1 <= rows <= most:
        raise ValueError(f"{call}(rows={short(rows)}): {name} has {most} rows; pass 1 to {most}, or None for all")


def pixels(name: str, rows: int | None, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The first `rows` images of a data set, all of them for None: `[rows, pixels]` in [0, 1], not binarised."""
    return data.features(name, dtype, device)[:rows]


def initial_layers(sizes: dict[str, tuple[int, int]]) -> Params:
    """Glorot-uniform weights and zero biases for layers given as name to (outputs, inputs); the same at every call.

    Reference: glorot2010
    """
    draw = np.random.default_rng(0)
    params = {}
    for name, (outputs, inputs) in sizes.items():
        bound = math.sqrt(6 / (inputs + outputs))
        params[f"{name}_weight"] = torch.from_numpy(draw.uniform(-bound, bound, (outputs, inputs)))
        params[f"{name}_bias"] = torch.zeros(outputs, dtype=torch.float64)
    return params


def layer(params: Params, name: str, x: Float[Tensor, "*batch rows inputs"]) -> Float[Tensor, "... rows outputs"]:
    """The affine layer called `name`: x `[*S, *R, rows, inputs]` to `[*S, *R, rows, outputs]`."""
    return linear(x, params[f"{name}_weight"], params[f"{name}_bias"])


def pixels_log_likelihood(logits: Float[Tensor, "*batch pixels"], x: Tensor) -> Float[Tensor, "*batch"]:
    """Minus the cross-entropy of intensities x, Σ_j [x_j logit_j − softplus(logit_j)], `[*S, *R, rows]`."""
    return -binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(-1)
