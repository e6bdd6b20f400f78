"""The central moments of each of many coordinates, made in the pass that also makes the inner products."""

from __future__ import annotations

import torch
from torch import Tensor

from gradmark.benchmarks.measurement.central_moments import Array


class CoordinateMoments:
    """Moments of all coordinates, filled a chunk at a time: what a chunk needs stays in a processor's cache."""

    def __init__(self, coordinates: int, paired: bool, device: torch.device) -> None:
        self.paired = paired
        self.powers = torch.empty(4, coordinates, dtype=torch.float64, device=device)  # mean, second, third, fourth
        self.within = torch.empty(coordinates if paired else 0, dtype=torch.float64, device=device)
        self.wanted = coordinates > 0
        self.filled = 0

    def add(self, mean: Tensor, centred: Tensor) -> None:
        """Take the next coordinates: their mean `[1, P]`, and the replicates less it, `[R, P]`."""
        here = slice(self.filled, self.filled + mean.shape[1])
        self.filled = here.stop
        units = centred.unflatten(0, (-1, 2)).mean(1) if self.paired else centred
        square = units.square()
        self.powers[0, here] = mean[0]
        torch.sum(square, 0, out=self.powers[1, here])
        torch.sum(square * units, 0, out=self.powers[2, here])
        torch.sum(square.square_(), 0, out=self.powers[3, here])
        if self.paired:
            torch.sum((centred[0::2] - centred[1::2]).square_().div_(2), 0, out=self.within[here])

    def fields(self) -> dict[str, Array]:
        """The fields of `Moments` that have a number for each coordinate."""
        names = ("mean", "second", "third", "fourth", "within")
        return {name: value.cpu().numpy() for name, value in zip(names, [*self.powers, self.within], strict=True)}
