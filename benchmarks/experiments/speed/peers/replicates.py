"""Libraries that draw by themselves, from torch's generator, and make one replicate at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from gradmark.benchmarks.experiments.speed.contenders import Contender
from gradmark.benchmarks.experiments.speed.peers.running import running
from gradmark.benchmarks.measurement.block import seeded
from gradmark.benchmarks.measurement.moments import Array


def one_at_a_time(name: str, per_coordinate: bool, gradient: Callable[[], Sequence[Tensor]]) -> Contender:
    """A contender that calls `gradient` for each replicate."""
    shapes = [part.shape for part in gradient()]
    device = gradient()[0].device

    def turn(replicates: int, seed: int) -> Array:
        found = running(per_coordinate, shapes, device)
        with seeded(seed, device):
            for _ in range(replicates):
                found.add([part.unsqueeze(0) for part in gradient()])
        return found.traces()

    return Contender(name, turn)
