"""torch's `meta` device instead of a GPU: tensors have a shape and a device, and no numbers.

What mixes devices raises there as it does on a GPU, and so does `.item()`, for which a GPU makes the host wait.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils._pytree import tree_leaves

from gradmark.benchmarks.checks.cases import Case, EstimatorCase
from gradmark.benchmarks.checks.exceptions import described
from gradmark.benchmarks.checks.results import CheckResult, check, failed, passed, skipped
from gradmark.benchmarks.measurement.block import lifted
from gradmark.benchmarks.measurement.dispatch import Dispatch
from gradmark.estimators.core import Params, Problem, gradient_of_sum

META = torch.device("meta")
REPLICATES = 8
ANY_DEVICE = "runs_on_any_device"  # the property of estimators and problems that must pass
LACKING = ("_sample_dirichlet", "_standard_gamma", "_standard_gamma_grad", "_dirichlet_grad")  # no kernel for `meta`


class Kernels(Dispatch):
    """Stands in for the kernels for `meta` that torch lacks: results have the shape of the first argument.

    Torch's own kernels for `meta` are Python, and take a millisecond. So the form of a result is kept for the next call
    on tensors of the same form, here as in later runs; calls that write, make views or make tensors always run.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name.removeprefix("aten::") in LACKING and args[0].is_meta:
            return torch.empty_like(args[0])
        key = _call(func, args, kwargs) if _is_pure(func) else None
        if key in FORMS:
            return torch.empty_strided(*FORMS[key][:2], dtype=FORMS[key][2], device=META)
        result = func(*args, **(kwargs or {}))
        if key is not None and type(result) is Tensor and result.is_meta:
            FORMS[key] = (result.shape, result.stride(), result.dtype)
        return result


FORMS: dict[Any, tuple[torch.Size, tuple[int, ...], torch.dtype]] = {}  # of the result of each kind of call


@cache
def _is_pure(func: Any) -> bool:
    """Whether a function returns one new tensor, and writes to none of its arguments."""
    schema = func._schema
    return len(schema.returns) == 1 and all(each.alias_info is None for each in (*schema.arguments, *schema.returns))


def _call(func: Any, args: Any, kwargs: Any) -> Hashable:
    """A call up to the numbers in its tensors, all on `meta` and one at least; None for any other."""
    values = [*args, *(kwargs or {}).items()]
    tensors = [value for value in tree_leaves(values) if isinstance(value, Tensor)]
    if not tensors or any(type(value) not in (Tensor, Parameter) or not value.is_meta for value in tensors):
        return None
    return func, torch.get_default_dtype(), _form(values)


def _form(value: Any) -> Hashable:
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype
    return tuple(map(_form, value)) if isinstance(value, list | tuple) else (type(value), value)


@cache
def load_kernels() -> None:
    """Have torch import what its kernels for `meta` are made of, in every process once: it takes seconds."""
    x = torch.empty(2, device=META)
    binary_cross_entropy_with_logits(torch.sigmoid(x), x)


@check
def estimate_runs_on_any_device(case: EstimatorCase) -> CheckResult:
    """An estimate on torch's `meta` device asks for no number, and makes no tensor on another device.

    So it would run on a GPU, without making the host wait. An estimator that does not may be right on the CPU: the
    check fails only where the estimator declares `runs_on_any_device`, and is skipped elsewhere, with the reason.
    """
    if case.state == "warm":
        return skipped("the cold state runs the same code")
    problem, params = on_meta(case.on.problem, case.on.params)

    def estimate() -> None:
        state = case.estimator.init(problem, params)
        gradient = case.estimator.estimate(problem, params, state, case.num_samples).gradient
        for name, value in params.items():
            if form(gradient[name]) != form(value):
                raise ValueError(f"the gradient of {name!r} is {form(gradient[name])}; it must be {form(value)}")

    fault = _fault(estimate, case.estimator)
    if fault is not None and (reason := _fault(lambda: _evaluate(problem, params), case.on.problem)) is not None:
        return skipped(f"the problem itself does not run on `meta`: {reason}")
    return _result(fault, case.estimator)


@check
def problem_runs_on_any_device(case: Case) -> CheckResult:
    """Draws, log q and the cost on torch's `meta` device ask for no number, and make no tensor on another device.

    It fails only for a problem that declares `runs_on_any_device`, and is skipped for others, with the reason.
    """
    problem, params = on_meta(case.problem, case.params)
    return _result(_fault(lambda: _evaluate(problem, params), case.problem), case.problem)


def on_meta(problem: Problem, params: Params) -> tuple[Problem, Params]:
    """The problem as an estimator sees it, and the parameters `[8, …]`, on the `meta` device."""
    params = {name: value.to(META) for name, value in lifted(params, REPLICATES).items()}
    if problem.template is problem:
        return problem, params
    rows = torch.zeros(REPLICATES, problem.size, dtype=torch.long, device=META)  # type: ignore[attr-defined]
    return problem.template.select(rows), params  # type: ignore[attr-defined]  # a source of problems


def form(value: Tensor) -> tuple[list[int], torch.dtype, torch.device]:
    """Shape, dtype and device."""
    return list(value.shape), value.dtype, value.device


def _evaluate(problem: Problem, params: Params) -> None:
    """A draw, log q and the cost of it, and their gradients."""
    leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
    q = problem.distribution(leaves)
    z = q.sample(torch.Size((2,)))
    gradient_of_sum(q.log_prob(z) + problem.cost(leaves, z, q), leaves)


def _fault(run: Callable[[], object], owner: object) -> str | None:
    """What running on `meta` raised, with its line; None where it runs."""
    try:
        with Kernels():
            run()
    except Exception as fault:  # the estimator or the problem may be anybody's code
        return described(fault, owner)
    return None


def _result(fault: str | None, owner: Any) -> CheckResult:
    if fault is None:
        return passed()
    if fault.startswith(NotImplementedError.__name__):
        return skipped(f"unknown, as torch has no kernel for its `meta` device: {fault}")
    if ANY_DEVICE in owner.properties:
        return failed(f"{ANY_DEVICE!r} is declared, and a GPU would stop here, or make the host wait: {fault}")
    return skipped(
        f"a GPU would stop here, or make the host wait; declare {ANY_DEVICE!r} to make this a fault: {fault}"
    )
