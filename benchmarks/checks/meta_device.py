"""torch's `meta` device instead of a GPU: tensors have a shape and a device, and no numbers.

What mixes devices raises there as it does on a GPU, and so does `.item()`, for which a GPU makes the host wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from gradmark.benchmarks.measurement.block import lifted
from gradmark.estimators.core import Estimator, Params, Problem

META = torch.device("meta")
REPLICATES = 8
LACKING = ("_sample_dirichlet", "_standard_gamma", "_standard_gamma_grad", "_dirichlet_grad")  # no kernel for `meta`


@contextmanager
def kernels() -> Iterator[None]:
    """Give torch the kernels for `meta` that it lacks: results have the shape of the first argument."""
    library = torch.library.Library("aten", "IMPL")
    for name in LACKING:
        library.impl(name, lambda first, *_, **__: torch.empty_like(first), "Meta")
    try:
        yield
    finally:
        library._destroy()


def on_meta(problem: Problem) -> tuple[Problem, Params]:
    """The problem as an estimator sees it, and its parameters `[8, …]`, on the `meta` device."""
    params = {name: value.to(META) for name, value in lifted(problem.init(), REPLICATES).items()}
    if problem.template is problem:
        return problem, params
    rows = torch.zeros(REPLICATES, problem.size, dtype=torch.long, device=META)  # type: ignore[attr-defined]
    return problem.template.select(rows), params  # type: ignore[attr-defined]  # a source of problems


def estimated(problem: Problem, estimator: Estimator, num_samples: int) -> Params:
    """One estimate on the `meta` device, within `kernels()`; raises what the same code would do wrong on a GPU.

    Raises:
        ValueError: The gradient lacks a parameter, or has another shape, dtype or device.
    """
    seen, params = on_meta(problem)
    state = estimator.init(seen, params)
    gradient = estimator.estimate(seen, params, state, num_samples).gradient
    for name, value in params.items():
        found = gradient.get(name)
        if found is None or form(found) != form(value):
            raise ValueError(f"the gradient of {name!r} is {None if found is None else form(found)}, not {form(value)}")
    return gradient


def form(value: Tensor) -> tuple[list[int], torch.dtype, torch.device]:
    """Shape, dtype and device."""
    return list(value.shape), value.dtype, value.device
