"""Whether a block of estimates fits into memory, computed beforehand: the system kills a process that runs out."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from gradmark.benchmarks.measurement.block import numbers_of_one
from gradmark.estimators.core import Params, Problem

TENSORS = (
    4  # of the largest size that an estimate holds at once: draws, costs, densities, and what is kept for backward
)
CGROUP = Path("/sys/fs/cgroup/memory.max")  # a container's limit, or "max"
GIB = 2**30


def check_fits(problem: Problem, num_samples: int, params: Params, replicates: int) -> None:
    """MemoryError, with the remedy, where `replicates` estimates need more memory than there is on their device."""
    like = next(iter(params.values()))
    each = TENSORS * like.element_size() * replicates
    need, total = each * numbers_of_one(problem, num_samples, params), total_memory(like.device)
    if need <= total:
        return
    most = total // (each * problem.footprint)
    remedy = f"pass num_samples={most} or less" if 1 <= most < num_samples else "use fewer rows, or Minibatch()"
    raise MemoryError(
        f"num_samples={num_samples}: {replicates} replicates at once need about {need / GIB:.3g} GiB, and "
        f"{like.device} has {total / GIB:.3g}; {remedy}"
    )


def total_memory(device: torch.device) -> int:
    """Bytes that a process may have on `device` at the most."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = CGROUP.read_text(encoding="ascii").strip()
    except OSError:  # no container, or an older kind
        return machine
    return min(machine, int(limit)) if limit.isdecimal() else machine
