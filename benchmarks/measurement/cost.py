"""Seconds, evaluations of the cost, and peak memory of one estimate."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import register_multi_grad_hook
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves
from torch.utils.benchmark import Timer
from torch.utils.benchmark.utils.timer import timer as default_timer

from gradmark.benchmarks.measurement.block import Setting, device_of, lifted, seeded
from gradmark.benchmarks.measurement.dispatch import Dispatch
from gradmark.estimators.core import LatentVariableModel, Problem

REPEATS = 7  # of each call in one round of timing: from another process a study learns more than from more repeats
ALONE = 15  # of each call where there is one round only
TURN_SECONDS = 0.01  # that a call is repeated to fill, at each of its turns


def one_estimate(setting: Setting) -> Callable[[], object]:
    """A call that makes one estimate (one replicate), on rows drawn beforehand."""
    problem = setting.problem.draw(1)
    params = lifted(setting.params, 1)
    state = setting.estimator.init(problem, params) if setting.state is None else lifted(setting.state, 1)
    return lambda: setting.estimator.estimate(problem, params, state, setting.num_samples)


def interleaved(calls: list[Callable[[], object]], device: torch.device, count: int = ALONE) -> list[list[float]]:
    """Seconds of each call, `count` times; all have their turn before one has its next, so that drift favours none."""
    found: list[list[float]] = []
    for column in in_turn([lambda call=call: call for call in calls], device, count):
        if isinstance(column, BaseException):
            raise column
        found.append(column)
    return found


def in_turn(
    makers: Sequence[Callable[[], Callable[[], object]]],
    device: torch.device,
    count: int = REPEATS,
    caught: type[BaseException] = Exception,
    turn: Callable[[int], object] = lambda index: None,
    around: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> list[list[float] | BaseException]:
    """Seconds of each call as `interleaved` has them, or what it raised: the others are timed all the same.

    Each call is made and tried by itself first. `turn` hears whose turn it is, and `around` is entered for each turn,
    before the clock starts.
    """
    timers: dict[int, tuple[Timer, int]] = {}
    found: list[list[float] | BaseException] = [[] for _ in makers]
    with seeded(0, device):
        for index, make in enumerate(makers):
            turn(index)
            try:
                with around():
                    timers[index] = _timer(make(), device)
            except caught as fault:
                found[index] = fault
        for _ in range(count):
            for index, (timer, number) in list(timers.items()):
                turn(index)
                try:
                    with around():
                        found[index] = [*_column(found[index]), timer.timeit(number).median]
                except caught as fault:
                    found[index] = fault
                    del timers[index]
    return found


def _timer(call: Callable[[], object], device: torch.device) -> tuple[Timer, int]:
    """A timer of the call, and how often the call fits into one turn.

    torch's clock waits for the GPU wherever there is one, and so starts CUDA for a call on the CPU, too.
    """
    clock = default_timer if device.type == "cuda" else time.perf_counter
    timer = Timer("call()", timer=clock, globals={"call": call}, num_threads=torch.get_num_threads())
    seconds = timer.blocked_autorange(min_run_time=TURN_SECONDS).median
    return timer, max(round(TURN_SECONDS / max(seconds, 1e-9)), 1)


def _column(found: list[float] | BaseException) -> list[float]:
    assert isinstance(found, list), "a call that raised has no further turn"
    return found


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
