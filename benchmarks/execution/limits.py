"""How long and how much memory one piece of work of code from outside may take."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gradmark.benchmarks.measurement.memory import total_memory

SECONDS = 600.0
SHARE = 0.75  # of the machine's memory


@dataclass(frozen=True)
class Limits:
    """Of a worker process; built-in code has none."""

    seconds: float = SECONDS  # for one preparation, block, turn of timing or stretch of a training run
    memory: float | None = None  # in GiB; None is `SHARE` of the machine's

    @property
    def bytes(self) -> int:
        """The memory that a worker may take."""
        if self.memory is not None:
            return int(self.memory * 2**30)
        return int(SHARE * total_memory(torch.device("cpu")))
