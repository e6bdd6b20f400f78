"""The contract: text that is identity, shapes, a state of fixed form, and nothing touched that is somebody else's."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks.cases import HOST, Case
from gradmark.benchmarks.checks.exceptions import described
from gradmark.benchmarks.checks.results import Finding, failed, law, passed
from gradmark.benchmarks.measurement.block import seeded
from gradmark.estimators.core import Estimate

REPLICATES = ((), (1,), (5,))  # a source of problems has one axis of them
DRAWS = 100  # among which none may be NaN


@law
def text_is_identity(case: Case) -> Finding:
    """`resolve(str(x)) == x`, for the estimator and the problem."""
    for kind, spec in (("estimator", case.estimator), ("problem", case.fixture.problem)):
        try:
            text = str(spec)
        except Exception as fault:  # a class that is no dataclass has no fields to print
            return failed(f"the {kind} has no text: {described(fault, spec)}")
        read = specs.estimator(text) if kind == "estimator" else specs.problem(text)
        if read != spec or str(read) != text:
            return failed(f"the {kind}'s text {text!r} is read as {read!r}, which is another one")
    return passed()


@law
def gradient_has_the_form_of_the_parameters(case: Case) -> Finding:
    """Names, order, shapes and dtype, for parameters without replicates, with one and with several."""
    for dtype in (torch.float64, torch.float32):
        for replicates in REPLICATES[1:] if case.fixture.is_source or case.state == "warm" else REPLICATES:
            params = case.params(replicates, dtype)
            estimate = case.estimate(params)
            if not isinstance(estimate, Estimate) or not isinstance(estimate.gradient, dict):
                return failed(f"estimate returned {_kind(estimate)}; an Estimate(gradient, state) is wanted")
            gradient = estimate.gradient
            if list(gradient) != list(params):
                return failed(f"the parameters are {list(params)}, the gradient has {list(gradient)}")
            for name, value in params.items():
                found = gradient[name]
                if not isinstance(found, Tensor):
                    return failed(f"the gradient is {_kind(found)}, where a tensor is wanted", name)
                if (found.shape, found.dtype) != (value.shape, dtype):
                    expected = f"{list(value.shape)} of {dtype}"
                    return failed(f"{list(found.shape)} of {found.dtype} where the parameter is {expected}", name)
    return passed()


def _kind(value: object) -> str:
    """What a value is instead of what is wanted."""
    if isinstance(value, Estimate):
        return f"an Estimate whose gradient is a {type(value.gradient).__name__}"
    return f"a {type(value).__name__}"


@law
def gradient_is_finite(case: Case) -> Finding:
    """No NaN and no infinity among a hundred draws, in either dtype."""
    for dtype in (torch.float64, torch.float32):
        params = case.params((case.replicates(DRAWS),), dtype)
        for name, value in case.estimate(params).gradient.items():
            if not value.isfinite().all():
                share = f"{int((~value.isfinite()).flatten(1).any(1).sum())} of {len(value)}"
                return failed(f"{share} replicates have NaN or infinity in {dtype}", name)
    return passed()


@law
def state_keeps_its_form(case: Case) -> Finding:
    """The next state has the tree, shapes and dtypes of the one before."""
    for replicates in ((1,), (5,)):
        params = case.params(replicates)
        before, tree = tree_flatten(case.initial(case.fixture.problem.draw(replicates[0]), params))
        after, tree_after = tree_flatten(case.estimate(params).state)
        if tree != tree_after:
            return failed(f"the state was {tree}, and is {tree_after} after one estimate")
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            if not (isinstance(old, Tensor) and isinstance(new, Tensor)):
                return failed(f"{_kind(new)} where a tensor [*R, …] is wanted", f"state leaf {index}")
            if (old.shape, old.dtype) != (new.shape, new.dtype):
                detail = f"{list(new.shape)} of {new.dtype} where it was {list(old.shape)} of {old.dtype}"
                return failed(detail, f"state leaf {index}")
    return passed()


@law
def inputs_are_not_touched(case: Case) -> Finding:
    """Parameters and state are as they were, to the bit, and were not written to."""
    params = case.params((5,))
    with seeded(1, HOST):
        problem = case.fixture.problem.draw(5)
        state = case.initial(problem, params)
        inputs: dict[str, Tensor] = {f"parameter {name}": value for name, value in params.items()}
        inputs |= {f"state leaf {i}": leaf for i, leaf in enumerate(tree_leaves(state))}
        before = {name: (value.clone(), value._version) for name, value in inputs.items()}
        case.estimator.estimate(problem, params, state, case.num_samples)
    for name, value in inputs.items():
        copy, version = before[name]
        if not same(value, copy) or value._version != version:
            return failed("written to in place; a new tensor is wanted", name, (value - copy).abs().max().item())
    return passed()


@law
def nothing_stays_attached(case: Case) -> Finding:
    """Gradient and next state carry no graph, also where the parameters given require gradients."""
    params = {name: value.requires_grad_() for name, value in case.params((2,)).items()}
    estimate = case.estimate(params)
    found = {f"gradient of {name}": value for name, value in estimate.gradient.items()}
    found |= {f"state leaf {i}": leaf for i, leaf in enumerate(tree_leaves(estimate.state))}
    for name, value in found.items():
        if value.requires_grad:
            return failed("still attached to the graph; detach it, or memory grows with every step", name)
    return passed()


@law
def surroundings_are_not_touched(case: Case) -> Finding:
    """Default dtype, grad mode, threads and the generators of Python and numpy; torch's own, outside `seeded`."""
    before = _surroundings()
    case.estimate(case.params((5,)))
    changed = [name for name, value in _surroundings().items() if value != before[name]]
    return failed(f"changed for everybody: {', '.join(changed)}") if changed else passed()


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
    """Equal to the bit, where NaN is itself."""
    return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
