"""The forms that code from outside must keep: of costs, surrogate losses, gradients, states and training steps.

Broadcasting and reshaping take almost any shape silently and give a number that looks like a variance. So names,
shapes, dtypes and devices are compared before anything is folded.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.utils._pytree import tree_flatten

from gradmark.estimators.core import Estimate, Estimator, Params, Problem, State, SurrogateEstimator

DRAWS, REPLICATES = 3, 2  # of the probe: unequal, so that no axis is taken for another one


class WrongForm(ValueError):
    """What was returned has another form than was asked for: the call, what was found and what is expected."""

    def __init__(self, source: object, method: str, returned: str, expected: str) -> None:
        super().__init__(f"{_named(source)}.{method}: {returned}; must be {expected}")
        self.where = _where(source, method)  # of the method that returned it, as nothing was raised in it


def check_estimate(estimator: Estimator, estimate: object, params: Params, state: State) -> Estimate:
    """The estimate, its gradient in the parameters' order; WrongForm where gradient or state are not as they must be.

    `state` is the one before: the next must have its tree, shapes, dtypes and devices.
    """
    if not (isinstance(estimate, tuple) and len(estimate) == 2):
        raise WrongForm(estimator, "estimate", f"returned {_kind(estimate)}", "an Estimate(gradient, state)")
    gradient, after = estimate
    found = check_named(estimator, "estimate", "gradient", gradient, params)
    check_state(estimator, "estimate", state, after)
    return Estimate(found, after)


def check_step(solver: object, stepped: object, params: Params, state: State) -> tuple[Params, State]:
    """What a solver's step returned, its parameters in their order; WrongForm where their form changed."""
    if not (isinstance(stepped, tuple) and len(stepped) == 2):
        raise WrongForm(solver, "step", f"returned {_kind(stepped)}", "a pair (params, state)")
    stepped_params = check_named(solver, "step", "params", stepped[0], params)
    check_state(solver, "step", state, stepped[1])
    return stepped_params, stepped[1]


def check_named(source: object, method: str, what: str, returned: object, params: Params) -> Params:
    """Named tensors with the names, shapes, dtypes and devices of `params`, in their order."""
    if not isinstance(returned, dict):
        raise WrongForm(source, method, f"{what} is {_kind(returned)}", "a dict from names to tensors")
    if set(returned) != set(params):
        raise WrongForm(
            source, method, f"{what} has the names {_names(returned)}", f"those of params, {_names(params)}"
        )
    for name, value in params.items():
        _same_form(source, method, f"{what}[{name!r}]", returned[name], value)
    return {name: returned[name] for name in params}


def check_state(source: object, method: str, before: State, after: State) -> None:
    """The state after a call has the form of the one before."""
    old, tree = tree_flatten(before)
    new, tree_after = tree_flatten(after)
    if tree != tree_after:
        was, now = (f"{_kind(state)} of {len(leaves)} leaves" for state, leaves in ((before, old), (after, new)))
        raise WrongForm(source, method, f"the state became {now}", f"as before, {was}, with the same keys")
    for index, (value, wanted) in enumerate(zip(new, old, strict=True)):
        if isinstance(wanted, Tensor) or isinstance(value, Tensor):
            _same_form(source, method, f"leaf {index} of the state", value, wanted)


def check_problem(problem: Problem, params: Params) -> torch.Size:
    """The batch `(*R, *B)` of a problem's q; WrongForm where its cost does not have the shape of `q.log_prob(z)`.

    Asked with `DRAWS` draws for parameters of `REPLICATES` replicates.
    """
    q = problem.distribution(params)
    try:
        z = q.sample(torch.Size((DRAWS,)))
    except NotImplementedError:  # an oracle can do without draws
        return q.batch_shape
    batch = _batch(problem, q, z)
    cost = problem.cost(params, z, q)
    _shaped(problem, "cost", "the cost", cost, (DRAWS, *batch), "the shape of q.log_prob(z), draws first")
    return batch


def check_exact(problem: Problem, exact: Tensor, rows: torch.Size) -> None:
    """WrongForm where the expected cost for parameters without replicates is not one number for each row, `(*B)`."""
    _shaped(problem, "exact", "the expected cost", exact, tuple(rows), "one for each row")


def check_surrogate(
    estimator: Estimator, problem: Problem, params: Params, num_samples: int, batch: torch.Size
) -> None:
    """WrongForm where a surrogate estimator's loss is not one number for each replicate and row, `(*R, *B)`."""
    if not isinstance(estimator, SurrogateEstimator) or type(estimator).estimate is not SurrogateEstimator.estimate:
        return
    leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
    with torch.enable_grad():
        returned = estimator.surrogate(problem, leaves, estimator.init(problem, params), num_samples)
    if not (isinstance(returned, tuple) and len(returned) == 2):
        raise WrongForm(estimator, "surrogate", f"returned {_kind(returned)}", "a pair (loss, state)")
    _shaped(estimator, "surrogate", "the loss", returned[0], tuple(batch), "one for each replicate and row")


def _batch(problem: Problem, q: Distribution, z: Tensor) -> torch.Size:
    try:
        shape = q.log_prob(z).shape
    except NotImplementedError:  # a q that can be drawn from only
        shape = torch.Size((DRAWS, *q.batch_shape))
    if tuple(shape[:2]) != (DRAWS, REPLICATES):
        wanted = f"[{DRAWS}, {REPLICATES}, …]: draws, replicates, rows"
        raise WrongForm(problem, "distribution", f"log_prob of {DRAWS} draws has the shape {list(shape)}", wanted)
    return shape[1:]


def _shaped(source: object, method: str, what: str, returned: object, shape: tuple[int, ...], why: str) -> None:
    if not isinstance(returned, Tensor):
        raise WrongForm(source, method, f"{what} is {_kind(returned)}", f"a tensor {list(shape)}, {why}")
    if tuple(returned.shape) != shape:
        raise WrongForm(source, method, f"{what} has the shape {list(returned.shape)}", f"{list(shape)}, {why}")


def _same_form(source: object, method: str, what: str, returned: object, wanted: object) -> None:
    if not isinstance(returned, Tensor) or not isinstance(wanted, Tensor):
        raise WrongForm(source, method, f"{what} is {_kind(returned)}", _kind(wanted))
    if (returned.shape, returned.dtype, returned.device) != (wanted.shape, wanted.dtype, wanted.device):
        raise WrongForm(source, method, f"{what} is {_form(returned)}", _form(wanted))


def _form(value: Tensor) -> str:
    return f"{list(value.shape)} of {str(value.dtype).removeprefix('torch.')} on {value.device}"


def _kind(value: object) -> str:
    return "a tensor" if isinstance(value, Tensor) else "None" if value is None else f"a {type(value).__name__}"


def _names(named: dict[Any, Any]) -> str:
    return "[" + ", ".join(map(str, list(named)[:8])) + (", …]" if len(named) > 8 else "]")


def _named(source: object) -> str:
    return str(source)[:80] if isinstance(source, Problem | Estimator) else type(source).__name__


def _where(source: object, method: str) -> str | None:
    code = getattr(inspect.unwrap(getattr(type(source), method)), "__code__", None)
    return None if code is None else f"{Path(code.co_filename).name}:{code.co_firstlineno}"
