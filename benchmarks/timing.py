"""Seconds, evaluations of the cost, and peak memory of one estimate."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import register_multi_grad_hook
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves
from torch.utils.benchmark import Timer

from benchmarks.block import Setting, device_of, lifted, seeded
from benchmarks.dispatch import Dispatch
from estimators.core import LatentVariableModel, Problem

ROUNDS = 15  # of the interleaved timing
ROUND_SECONDS = 0.01  # that one call is repeated to fill, in each round


def one_estimate(setting: Setting) -> Callable[[], object]:
    """A call that makes one estimate (one replicate), on rows drawn beforehand."""
    problem = setting.problem.draw(1)
    params = lifted(setting.params, 1)
    state = setting.estimator.init(problem, params) if setting.state is None else lifted(setting.state, 1)
    return lambda: setting.estimator.estimate(problem, params, state, setting.num_samples)


def interleaved(calls: list[Callable[[], object]], device: torch.device, count: int = ROUNDS) -> list[list[float]]:
    """Seconds of each call in each of `count` rounds; in a round all have their turn, so that drift favours none."""
    threads = torch.get_num_threads()
    with seeded(0, device):
        timers = [Timer("call()", globals={"call": call}, num_threads=threads) for call in calls]
        first = [timer.blocked_autorange(min_run_time=ROUND_SECONDS).median for timer in timers]
        numbers = [max(round(ROUND_SECONDS / max(seconds, 1e-9)), 1) for seconds in first]
        rounds = [
            [timer.timeit(number).median for timer, number in zip(timers, numbers, strict=True)] for _ in range(count)
        ]
    return [list(column) for column in zip(*rounds, strict=True)]


# The forms in which a problem's cost may be asked for; a problem that overrides one calls others inside of it, or none
FORMS = ("cost", "cost_analytic_kl", "terms", "log_joint", "log_likelihood")
OF_STATES = "log_joint_of"  # the form that is asked for a range of states, and not for draws


@dataclass
class Evaluations:
    """How many draws had their cost evaluated, and how many of these were differentiated; None where nobody can say."""

    forward: int | None = 0
    backward: int | None = 0


def count_evaluations(setting: Setting) -> Evaluations:
    """Evaluations of the cost in one estimate, counted on a view of the problem whose cost tells.

    An estimator that draws and was never seen to evaluate asks its problem in a way of their own: that is not counted,
    and no zero. One that is deterministic asks for the oracle, whose closed form evaluates nothing.
    """
    counts = _Counts()

    def counted(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        return _counting(original, counts, _range if name == OF_STATES else _draws)

    with seeded(0, device_of(setting.params)):
        one_estimate(replace(setting, problem=_viewed(setting.problem.draw(1), (*FORMS, OF_STATES), counted)))()
    unseen = not counts.forward and not setting.estimator.deterministic
    return Evaluations(None, None) if unseen else Evaluations(counts.forward, counts.backward)


def watched(problem: Problem, see: Callable[[Tensor], object]) -> Problem:
    """A view of the problem that shows every z whose cost it evaluates."""

    def seeing(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda params, z, *rest, **named: (see(z), original(params, z, *rest, **named))[1]

    return _viewed(problem, FORMS, seeing)


def _viewed(
    problem: Problem, forms: Sequence[str], wrapped: Callable[[str, Callable[..., Any]], Callable[..., Any]]
) -> Problem:
    """The problem with these forms of its cost wrapped, each around the method of the problem itself.

    So a form that calls another one is seen once, where the estimator asks. The posterior is given, as q is: what it
    enumerates is not seen.
    """
    view = copy.copy(problem)
    for name in forms:
        if hasattr(problem, name):
            object.__setattr__(view, name, wrapped(name, getattr(problem, name)))
    if isinstance(problem, LatentVariableModel):
        object.__setattr__(view, "posterior", problem.posterior)
        object.__setattr__(view, "select", lambda index: _viewed(problem.select(index), forms, wrapped))
    return view


@dataclass
class _Counts:
    forward: int = 0
    backward: int = 0


def _draws(params: Any, z: Tensor, *rest: Any) -> int:
    return z.shape[0]


def _range(params: Any, first: int, last: int) -> int:
    return last - first


def _counting(original: Callable[..., Any], counts: _Counts, size: Callable[..., int]) -> Callable[..., Any]:
    """The same function, which tells how often it was called, and how often something of what it found came back."""

    def counting(*args: Any, **named: Any) -> Any:
        found = original(*args, **named)
        values = [value for value in tree_leaves(found) if isinstance(value, Tensor)]
        draws = size(*args, **named) if values else 0  # a cost that does not split has no terms
        counts.forward += draws
        attached = [value for value in values if value.requires_grad]
        if attached:
            register_multi_grad_hook(attached, lambda _: _backward(counts, draws), mode="any")
        return found

    return counting


def _backward(counts: _Counts, draws: int) -> None:
    counts.backward += draws


def peak_memory(setting: Setting) -> int:
    """Bytes that one estimate holds at its peak, beyond what was there before: torch's own allocations."""
    device = device_of(setting.params)
    with seeded(0, device):
        call = one_estimate(setting)
        call()
        return _peak_cuda(call, device) if device.type == "cuda" else _peak_cpu(call)


def _peak_cuda(call: Callable[[], object], device: torch.device) -> int:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _peak_cpu(call: Callable[[], object]) -> int:
    with _Allocations() as allocations:
        kept = call()
    del kept
    return allocations.peak


class _Allocations(Dispatch):
    """The bytes of all storages that ops made and that are still alive: the CPU's allocator keeps no such count.

    Scratch space that an op takes and gives back by itself is not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {_storage(value)._cdata for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)}
        found = func(*args, **(kwargs or {}))
        self.alive = {key: entry for key, entry in self.alive.items() if not entry[0].expired()}
        for value in tree_leaves(found):
            if isinstance(value, Tensor) and _storage(value)._cdata not in given:
                self.alive[_storage(value)._cdata] = (StorageWeakRef(_storage(value)), _storage(value).nbytes())
        self.peak = max(self.peak, sum(size for _, size in self.alive.values()))
        return found


def _storage(value: Tensor) -> torch.UntypedStorage:
    return value.untyped_storage()
