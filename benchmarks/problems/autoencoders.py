"""What the auto-encoders share: rows of pixels, layers that start the same on every machine, the pixels' likelihood."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks import data
from estimators.core import Params, linear


def check_sizes(call: str, name: str, latents: int, hidden: int, rows: int | None) -> None:
    """BadInput for an unknown data set, ValueError for one that is no images or a size out of range."""
    check_rows(call, name, rows)
    for field, value in (("latents", latents), ("hidden", hidden)):
        if value < 1:
            raise ValueError(f"{call}({field}={value}): a layer has at least one unit; pass 1 or more")


def check_rows(call: str, name: str, rows: int | None) -> None:
    """BadInput for an unknown data set, ValueError for one that is no images, or has not as many rows."""
    images = [each for each, known in data.DATA_SETS.items() if known.images]
    if not data.find(name).images:
        raise ValueError(f"{call}(data={name!r}): no pixels in [0, 1]; use one of {', '.join(images)}")
    most = data.find(name).rows
    if rows is not None and not 1 <= rows <= most:
        raise ValueError(f"{call}(rows={rows}): {name} has {most} rows; pass 1 to {most}, or None for all")


def pixels(name: str, rows: int | None, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The first `rows` images of a data set, all of them for None: `[rows, pixels]` in [0, 1], not binarised."""
    return data.features(name, dtype, device)[:rows]


def initial_layers(sizes: dict[str, tuple[int, int]]) -> Params:
    """Glorot-uniform weights and zero biases for layers given as name to (outputs, inputs); the same at every call.

    Reference: Understanding the difficulty of training deep feedforward neural networks, Xavier Glorot, Yoshua Bengio,
    2010.
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
