"""Checks of the contract: the text, shapes and dtypes, the form of the state, and inputs that stay unchanged."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks.cases import HOST, EstimatorCase
from gradmark.benchmarks.checks.exceptions import described
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed
from gradmark.benchmarks.measurement.block import seeded
from gradmark.estimators.core import Estimate

REPLICATES = ((), (1,), (5,))  # a source of problems has one axis of them
ESTIMATES = 100  # none of which may be NaN


@check
def text_is_identity(case: EstimatorCase) -> CheckResult:
    """The text of the estimator, and of the problem, makes an equal object."""
    for kind, spec in (("estimator", case.estimator), ("problem", case.on.problem)):
        try:
            text = str(spec)
        except Exception as fault:  # such as a class that is not a dataclass
            return failed(f"the {kind} has no text: {described(fault, spec)}")
        read = specs.estimator(text) if kind == "estimator" else specs.problem(text)
        if read != spec or str(read) != text:
            return failed(f"the {kind}'s text {text!r} is read as {read!r}, which is not equal to it")
    return passed()


@check
def gradient_has_the_form_of_the_parameters(case: EstimatorCase) -> CheckResult:
    """The gradient has the names, order, shapes and dtype of the parameters, with no, one and several replicates."""
    for dtype in (torch.float64, torch.float32):
        for replicates in REPLICATES[1:] if case.on.is_source or case.state == "warm" else REPLICATES:
            params = case.params(replicates, dtype)
            estimate = case.estimate(params)
            if not isinstance(estimate, Estimate) or not isinstance(estimate.gradient, dict):
                return failed(f"estimate returned {_kind(estimate)}; it must return Estimate(gradient, state)")
            gradient = estimate.gradient
            if list(gradient) != list(params):
                return failed(f"the gradient has the names {list(gradient)}; they must be {list(params)}")
            for name, value in params.items():
                found = gradient[name]
                if not isinstance(found, Tensor):
                    return failed(f"the gradient is {_kind(found)}; it must be a tensor", name)
                if (found.shape, found.dtype) != (value.shape, dtype):
                    expected = f"{list(value.shape)} of {dtype}"
                    return failed(f"{list(found.shape)} of {found.dtype} where the parameter is {expected}", name)
    return passed()


def _kind(value: object) -> str:
    """The value's type, for a message."""
    if isinstance(value, Estimate):
        return f"an Estimate whose gradient is a {type(value.gradient).__name__}"
    return f"a {type(value).__name__}"


@check
def gradient_is_finite(case: EstimatorCase) -> CheckResult:
    """None of a hundred estimates is NaN or infinite, in float64 and in float32."""
    for dtype in (torch.float64, torch.float32):
        params = case.params((case.replicates(ESTIMATES),), dtype)
        for name, value in case.estimate(params).gradient.items():
            if not value.isfinite().all():
                share = f"{int((~value.isfinite()).reshape(len(value), -1).any(1).sum())} of {len(value)}"
                return failed(f"{share} replicates have NaN or infinity in {dtype}", name)
    return passed()


@check
def state_keeps_its_form(case: EstimatorCase) -> CheckResult:
    """The next state has the structure, shapes and dtypes of the state before."""
    for replicates in ((1,), (5,)):
        params = case.params(replicates)
        before, tree = tree_flatten(case.initial(case.on.problem.draw(replicates[0]), params))
        after, tree_after = tree_flatten(case.estimate(params).state)
        if tree != tree_after:
            return failed(f"the state is {tree_after} after one estimate; it must stay {tree}")
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            if not (isinstance(old, Tensor) and isinstance(new, Tensor)):
                return failed(f"{_kind(new)}; it must be a tensor [*R, …]", f"state leaf {index}")
            if (old.shape, old.dtype) != (new.shape, new.dtype):
                detail = f"{list(new.shape)} of {new.dtype} where it was {list(old.shape)} of {old.dtype}"
                return failed(detail, f"state leaf {index}")
    return passed()


@check
def inputs_are_not_touched(case: EstimatorCase) -> CheckResult:
    """The parameters and the state that were given are unchanged, to the bit, and were not written to."""
    params = case.params((5,))
    with seeded(1, HOST):
        problem = case.on.problem.draw(5)
        state = case.initial(problem, params)
        inputs: dict[str, Tensor] = {f"parameter {name}": value for name, value in params.items()}
        inputs |= {f"state leaf {i}": leaf for i, leaf in enumerate(tree_leaves(state))}
        before = {name: (value.clone(), value._version) for name, value in inputs.items()}
        case.estimator.estimate(problem, params, state, case.num_samples)
    for name, value in inputs.items():
        copy, version = before[name]
        if not same(value, copy) or value._version != version:
            return failed("overwritten; make a new tensor", name, (value - copy).abs().max().item())
    return passed()


@check
def nothing_stays_attached(case: EstimatorCase) -> CheckResult:
    """The gradient and the next state are detached, also where the given parameters require gradients."""
    params = {name: value.requires_grad_() for name, value in case.params((2,)).items()}
    estimate = case.estimate(params)
    found = {f"gradient of {name}": value for name, value in estimate.gradient.items()}
    found |= {f"state leaf {i}": leaf for i, leaf in enumerate(tree_leaves(estimate.state))}
    for name, value in found.items():
        if value.requires_grad:
            return failed("still attached to the graph; detach it, or memory grows with every step", name)
    return passed()


@check
def surroundings_are_not_touched(case: EstimatorCase) -> CheckResult:
    """The default dtype, grad mode, threads, and the generators of torch, Python and numpy are as they were before."""
    before = _surroundings()
    case.estimate(case.params((5,)))
    changed = [name for name, value in _surroundings().items() if value != before[name]]
    return failed(f"changed for the whole process: {', '.join(changed)}") if changed else passed()


def _surroundings() -> dict[str, Any]:
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "torch's grad mode": torch.is_grad_enabled(),
        "torch's threads": torch.get_num_threads(),
        "torch's generator": torch.default_generator.get_state().numpy().tobytes(),
        "Python's generator": random.getstate(),
        "numpy's generator": [np.asarray(part).tolist() for part in np.random.get_state()],  # noqa: NPY002
    }


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal to the bit; NaN equals NaN."""
    return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
