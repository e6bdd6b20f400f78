"""Seconds of one estimate: calls that take turns, so that drift of the machine favours none."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch

from gradmark.benchmarks.measurement.block import Setting, lifted, seeded

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
    columns: list[list[float]] = []
    for column in in_turn([lambda call=call: call for call in calls], device, count):
        if isinstance(column, BaseException):
            raise column
        columns.append(column)
    return columns


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
    timers: dict[int, tuple[timeit.Timer, int]] = {}
    seconds: list[list[float] | BaseException] = [[] for _ in makers]
    with seeded(0, device):
        for index, make in enumerate(makers):
            turn(index)
            try:
                with around():
                    timers[index] = _timer(make(), device)
            except caught as fault:
                seconds[index] = fault
        for _ in range(count):
            for index, (timer, number) in list(timers.items()):
                turn(index)
                try:
                    with around():
                        seconds[index] = [*_column(seconds[index]), _one_turn(timer, number)]
                except caught as fault:
                    seconds[index] = fault
                    del timers[index]
    return seconds


def _timer(call: Callable[[], object], device: torch.device) -> tuple[timeit.Timer, int]:
    """A timer of the call, and how often the call fits into one turn.

    torch.utils.benchmark.Timer is not used: it loads torch's tools for C++ and setuptools, which takes longer than the
    timing of a toy.
    """
    timer = timeit.Timer(call, timer=partial(_seconds_on_gpu, device) if device.type == "cuda" else time.perf_counter)
    timer.timeit(1)  # the first call may be slow
    number = 1
    while (seconds := timer.timeit(number)) < TURN_SECONDS / 10:
        number *= 4
    return timer, max(round(number * TURN_SECONDS / seconds), 1)


def _seconds_on_gpu(device: torch.device) -> float:
    """The time when the GPU has done all that it was given; for a call on the CPU this would start CUDA."""
    torch.cuda.synchronize(device)
    return time.perf_counter()


def _one_turn(timer: timeit.Timer, number: int) -> float:
    """Seconds of one call in a turn, after calls that fill the caches again."""
    timer.timeit(max(number // 100, 1))
    return timer.timeit(number) / number


def _column(seconds: list[float] | BaseException) -> list[float]:
    assert isinstance(seconds, list), "a call that raised has no further turn"
    return seconds
