"""How often one estimate evaluates the cost, and how many of these evaluations are differentiated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.autograd.graph import register_multi_grad_hook
from torch.utils._pytree import tree_leaves

from gradmark.benchmarks.measurement.block import Setting, device_of, seeded
from gradmark.benchmarks.measurement.timing import one_estimate
from gradmark.benchmarks.measurement.watching import OF_STATES, watching


@dataclass
class Evaluations:
    """How many draws had their cost evaluated, and how many of these were differentiated; None where it is unknown."""

    forward: int | None = 0
    backward: int | None = 0


def count_evaluations(setting: Setting) -> Evaluations:
    """Evaluations of the cost in one estimate.

    An estimator that draws and is never seen to evaluate the cost asks its problem in a way that cannot be counted: the
    number is unknown, and not zero. A deterministic estimator asks for the oracle, whose closed form evaluates nothing.
    """
    counts = _Counts()

    def counted(form: str, method: Callable[..., Any]) -> Callable[..., Any]:
        return _counting(method, counts, _states if form == OF_STATES else _draws)

    with seeded(0, device_of(setting.params)):
        one_estimate(replace(setting, problem=watching(setting.problem.draw(1), counted)))()
    unseen = not counts.forward and not setting.estimator.deterministic
    return Evaluations(None, None) if unseen else Evaluations(counts.forward, counts.backward)


@dataclass
class _Counts:
    forward: int = 0
    backward: int = 0


def _draws(params: Any, z: Tensor, *rest: Any) -> int:
    return z.shape[0]


def _states(params: Any, first: int, last: int) -> int:
    return last - first


def _counting(method: Callable[..., Any], counts: _Counts, size: Callable[..., int]) -> Callable[..., Any]:
    """The same method, which counts its evaluations, and those of which a part is differentiated."""

    def counting(*args: Any, **named: Any) -> Any:
        result = method(*args, **named)
        values = [value for value in tree_leaves(result) if isinstance(value, Tensor)]
        draws = size(*args, **named) if values else 0  # a cost that does not split has no terms
        counts.forward += draws
        attached = [value for value in values if value.requires_grad]
        if attached:
            register_multi_grad_hook(attached, lambda _: _backward(counts, draws), mode="any")
        return result

    return counting


def _backward(counts: _Counts, draws: int) -> None:
    counts.backward += draws
