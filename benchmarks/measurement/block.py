"""One cell, one block: seed, lift, estimate, fold. The only module that touches torch's generators."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from gradmark.benchmarks.measurement import engines
from gradmark.benchmarks.measurement.fold import fold
from gradmark.benchmarks.measurement.forms import check_estimate
from gradmark.benchmarks.measurement.grouping import SMALLEST, WARM_UP
from gradmark.benchmarks.measurement.lifting import lifted as lifted
from gradmark.benchmarks.measurement.moments import Moments
from gradmark.estimators.core import Estimate, Estimator, Params, Problem, State

HOST = torch.device("cpu")
BUDGET = 2**20  # numbers in a block's largest tensor, about
LARGEST = 4096  # replicates in a block
THREADED = 2**15  # numbers in a block's largest tensor, below which a second thread waits longer than it works


@dataclass(frozen=True)
class Setting:
    """What all blocks of a cell share: who estimates what, where, from which state, and the truth if it is known."""

    problem: Problem
    estimator: Estimator
    num_samples: int
    params: Params  # no replicate axis, in the cell's dtype and device
    state: State = None  # one replicate's warm state, or None: each replicate starts from the estimator's init
    exact: Tensor | None = None  # [P], the exact gradient of the estimator's target

    def initial(self, problem: Problem, params: Params) -> State:
        """The state before an estimate for parameters `[R, …]`."""
        return (
            lifted(self.state, len(next(iter(params.values()))))
            if self.state is not None
            else self.estimator.init(problem, params)
        )


def block_size(problem: Problem, num_samples: int, params: Params) -> int:
    """Replicates in a block: set by problem and num_samples only, so that every estimator sees the same draws."""
    room = BUDGET / numbers_of_one(problem, num_samples, params)
    return min(max(2 ** math.floor(math.log2(room)), SMALLEST), LARGEST) if room >= 1 else SMALLEST


def numbers_of_one(problem: Problem, num_samples: int, params: Params) -> int:
    """How many numbers the largest tensor holds for one replicate."""
    return max(sum(value.numel() for value in params.values()), num_samples * problem.footprint)


def numbers(setting: Setting) -> int:
    """How many numbers the largest tensor of one estimate holds, about."""
    return numbers_of_one(setting.problem, setting.num_samples, setting.params)


def block_seed(problem: Problem, num_samples: int, point: str, seed: int, size: int, index: int | str) -> int:
    """The block's seed: a hash of everything that its draws should depend on, and of no estimator (pairing)."""
    text = " | ".join(map(str, (problem, num_samples, point, seed, size, index)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Run with the default generators of the CPU and of `device` seeded, and give them back as they were."""
    generators = [torch.default_generator]
    if device.type == "cuda":
        torch.cuda.init()
        generators.append(torch.cuda.default_generators[device.index or torch.cuda.current_device()])
    before = [generator.get_state() for generator in generators]
    for generator in generators:
        generator.manual_seed(seed)
    try:
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run with `count` intra-op threads, and give them back as they were."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def device_of(params: Params) -> torch.device:
    """Where the parameters live."""
    return next(iter(params.values())).device


def warm_states(setting: Setting, count: int, seed: int, estimates: int = WARM_UP) -> State:
    """The states `[count, …]` after as many warm-ups side by side, each of `estimates` at the frozen parameters.

    Each warm-up draws for itself, its rows of a minibatch too. The seed is the warm-ups' own.
    """
    params = lifted(setting.params, count)
    with seeded(seed, device_of(params)), _enough_threads(setting, count):
        problem = setting.problem.draw(count, sharing=1)
        state = setting.estimator.init(problem, params)
        for _ in range(estimates):
            estimate = setting.estimator.estimate(problem, params, state, setting.num_samples)
            state = check_estimate(setting.estimator, estimate, params, state).state
            problem = setting.problem.draw(count, sharing=1)
    return tree_map(lambda value: value.detach(), state)


def warm_state(setting: Setting, seed: int, estimates: int = WARM_UP) -> State:
    """The state of one replicate after one warm-up, without an axis of replicates."""
    return tree_map(lambda value: value[0], warm_states(setting, 1, seed, estimates))


@cache
def keep_freed_memory() -> None:
    """Have freed memory stay with the process, once: to get it back page by page costs as much as the arithmetic.

    glibc returns what is free beyond twice the largest block that was ever freed, up to 32 MiB; this one is never
    touched, so it takes no memory. Elsewhere it does nothing.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


def measure_block(
    setting: Setting, size: int, seed: int, warm: State = None, plan: engines.Plan | None = None
) -> Moments:
    """`size` independent estimates from one seed, folded.

    With `warm`, states `[warm-ups, …]`, each of them is the state of equally many consecutive replicates. `plan` says
    how the gradients are made, by default as `plan_for` does.
    """
    keep_freed_memory()
    with _enough_threads(setting, size):
        return _measure(setting, size, seed, warm, plan or plan_for(setting, size, warm))


def _enough_threads(setting: Setting, replicates: int) -> AbstractContextManager[None]:
    """As many threads as there are, or one where the tensors are too small for two."""
    small = replicates * numbers(setting) < THREADED
    return threads(1 if small else torch.get_num_threads())


def _measure(setting: Setting, size: int, seed: int, warm: State, plan: engines.Plan) -> Moments:
    found, paired = block_gradients(setting, size, seed, warm, plan)
    moments = fold(found.parts, setting.exact, paired)
    return replace(moments, shared=moments.replicates) if found.shared else moments


def block_gradients(
    setting: Setting, size: int, seed: int, warm: State, plan: engines.Plan
) -> tuple[engines.Gradients, bool]:
    """The gradients of a block before they are folded, and whether replicates 2i and 2i+1 share their rows."""
    estimates = _Estimates(setting, size, seed, warm)
    found = engines.gradients(plan, setting.params, size, estimates)
    return found, estimates.paired


def plan_for(setting: Setting, size: int, warm: State = None) -> engines.Plan:
    """How the gradients of a block are made: in the same way for all blocks of a cell."""
    like = next(iter(setting.params.values()))
    key = (setting.problem, setting.estimator, setting.num_samples, like.dtype, like.device)

    def probe(params: Params) -> Estimate:
        given = None if warm is None else tree_map(lambda value: value[:1], warm)
        return _Estimates(replace(setting, state=_wide(setting.state)), engines.PROBE, 0, _wide(given))(params)

    return engines.plan_of(setting.estimator, setting.params, size, key, probe)


@dataclass
class _Estimates:
    """The estimates of a block, for parameters `[R, …]`: the same draws at every call."""

    setting: Setting
    size: int
    seed: int
    warm: State = None  # [warm-ups, …]
    paired: bool = False  # whether replicates 2i and 2i+1 share their rows: known after a call

    def __call__(self, params: Params) -> Estimate:
        setting = self.setting
        with seeded(self.seed, device_of(params)):
            problem = setting.problem.draw(self.size)
            state = setting.initial(problem, params) if self.warm is None else _shared(self.warm, self.size)
            estimate = setting.estimator.estimate(problem, params, state, setting.num_samples)
        self.paired = problem is not setting.problem and self.size > 1
        return check_estimate(setting.estimator, estimate, params, state)


def _wide(tree: State) -> State:
    """The same numbers in float64, where they are not whole."""
    return tree_map(
        lambda value: value.double() if isinstance(value, Tensor) and value.is_floating_point() else value, tree
    )


def _shared(states: State, replicates: int) -> State:
    """States `[warm-ups, …]` as `[replicates, …]`: each is that of equally many consecutive replicates."""
    return tree_map(lambda value: value.repeat_interleave(replicates // len(value), 0), states)
