"""Peak memory of one estimate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves

from gradmark.benchmarks.measurement.block import Setting, device_of, seeded
from gradmark.benchmarks.measurement.dispatch import Dispatch
from gradmark.benchmarks.measurement.timing import one_estimate


def peak_memory(setting: Setting) -> int:
    """Bytes that one estimate holds at its peak, beyond what was there before: torch's own allocations."""
    device = device_of(setting.params)
    with seeded(0, device):
        call = one_estimate(setting)
        call()
        return _peak_cuda(call, device) if device.type == "cuda" else peak_on_cpu(call)


def _peak_cuda(call: Callable[[], object], device: torch.device) -> int:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def peak_on_cpu(call: Callable[[], object]) -> int:
    """Bytes of all storages that a call makes on the CPU, at its peak; what it returns counts, too."""
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
        result = func(*args, **(kwargs or {}))
        self.alive = {key: entry for key, entry in self.alive.items() if not entry[0].expired()}
        for value in tree_leaves(result):
            if isinstance(value, Tensor) and _storage(value)._cdata not in given:
                self.alive[_storage(value)._cdata] = (StorageWeakRef(_storage(value)), _storage(value).nbytes())
        self.peak = max(self.peak, sum(size for _, size in self.alive.values()))
        return result


def _storage(value: Tensor) -> torch.UntypedStorage:
    return value.untyped_storage()
