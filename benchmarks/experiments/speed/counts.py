"""Kernels, bytes and operations of one replicate: `python -m gradmark.benchmarks.experiments.speed.counts`.

They do not depend on the machine, and say what a time is made of: a block's estimate by itself, then its fold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from gradmark.benchmarks.experiments.speed import works
from gradmark.benchmarks.experiments.speed.operations import operations
from gradmark.benchmarks.measurement.block import block_gradients, block_size, plan_for
from gradmark.benchmarks.measurement.fold import fold
from gradmark.benchmarks.measurement.gram import fold_wide


class Kernels(TorchDispatchMode):
    """Counts the operations that make new numbers, and the bytes of their arguments and results."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.count += 1
            self.bytes += sum(map(_bytes, tree_leaves((args, kwargs, result))))
        return result


def _bytes(value: object) -> int:
    """Of a tensor in memory: what is expanded is read once."""
    if not isinstance(value, Tensor):
        return 0
    stored = [size for size, stride in zip(value.shape, value.stride(), strict=True) if stride]
    return value.element_size() * torch.Size(stored).numel()


def counted(work: Callable[[], object]) -> tuple[int, int, int]:
    """Kernels, bytes, and operations in products and convolutions."""
    with Kernels() as kernels:
        work()
    with FlopCounterMode(display=False) as flops:
        work()
    return kernels.count, kernels.bytes, flops.get_total_flops()


def row(name: str, small: bool = False) -> list[str]:
    """One line of the table."""
    work = works.work(name, small)
    setting = work.setting(torch.device("cpu"))
    size = block_size(setting.problem, setting.num_samples, setting.params)
    plan = plan_for(setting, size)
    found, paired = block_gradients(setting, size, 0, None, plan)

    def folded() -> object:
        if work.per_coordinate:
            return fold_wide(found.parts, setting.exact, paired, each_coordinate=True)
        return fold(found.parts, setting.exact, paired)

    counts = [counted(lambda: block_gradients(setting, size, 0, None, plan)), counted(folded)]
    cells = [f"{kernels} | {made / size:,.0f} | {flops / size:,.0f}" for kernels, made, flops in counts]
    return [name, str(size), *cells, f"{operations(work):,}"]


def main() -> None:
    """Print a row for each work, as Markdown."""
    heads = ["work", "replicates of a block"]
    heads += [f"{what}: {part}" for what in ("estimate", "fold") for part in ("kernels", "bytes", "operations")]
    heads += ["operations of a replicate by itself"]
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for name in works.NAMES:
        print(f"| {' | '.join(row(name))} |", flush=True)
    print("\nKernels are of a block; bytes and operations of a replicate, without those of kernels that only look.")


if __name__ == "__main__":
    main()
