"""What peers in torch keep of their replicate gradients: sums, or a running variance of every coordinate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from gradmark.benchmarks.experiments.speed.contenders import with_total
from gradmark.benchmarks.measurement.moments import Array


class Running(ABC):
    """Replicate gradients `[C, …]` of each named tensor, C at a time, to the trace of their covariance."""

    def __init__(self, shapes: Sequence[torch.Size], device: torch.device) -> None:
        self.count = 0
        self.sums = [torch.zeros(shape.numel(), device=device) for shape in shapes]

    @abstractmethod
    def add(self, gradient: Sequence[Tensor]) -> None:
        """Take in C replicates."""

    @abstractmethod
    def traces(self) -> Array:
        """The unbiased estimates, `[1 + tensors]`."""


class Sums(Running):
    """For the total variance: Σ g and Σ |g|², as tr Cov = (Σ |g|² − |Σ g|² / n) / (n − 1)."""

    def __init__(self, shapes: Sequence[torch.Size], device: torch.device) -> None:
        super().__init__(shapes, device)
        self.squares = torch.zeros(len(self.sums), dtype=torch.float64, device=device)

    def add(self, gradient: Sequence[Tensor]) -> None:
        self.count += len(gradient[0])
        for index, (total, part) in enumerate(zip(self.sums, gradient, strict=True)):
            flat = part.reshape(-1)
            total += flat if len(part) == 1 else part.reshape(len(part), -1).sum(0)
            self.squares[index] += torch.dot(flat, flat)

    def traces(self) -> Array:
        of_sums = torch.stack([total.double().square().sum() for total in self.sums])
        return with_total(((self.squares - of_sums / self.count) / (self.count - 1)).cpu().numpy())


class PerCoordinate(Running):
    """For the variance of each coordinate: `sums` is the running mean, beside the sum of squared distances to it.

    One replicate is Welford's recurrence, several are Chan's.
    """

    def __init__(self, shapes: Sequence[torch.Size], device: torch.device) -> None:
        super().__init__(shapes, device)
        self.second = [torch.zeros_like(total) for total in self.sums]

    def add(self, gradient: Sequence[Tensor]) -> None:
        new = len(gradient[0])
        before, self.count = self.count, self.count + new
        for mean, second, part in zip(self.sums, self.second, gradient, strict=True):
            flat = part.reshape(new, -1)
            of_part = flat[0] if new == 1 else flat.mean(0)
            if new > 1:
                second += (flat - of_part).square_().sum(0)
            step = of_part - mean
            second.addcmul_(step, step, value=before * new / self.count)
            mean.add_(step, alpha=new / self.count)

    def traces(self) -> Array:
        return with_total(torch.stack([each.double().sum() for each in self.second]).cpu().numpy() / (self.count - 1))


def running(per_coordinate: bool, shapes: Sequence[torch.Size], device: torch.device) -> Running:
    """An empty one of the kind that a work asks for."""
    return (PerCoordinate if per_coordinate else Sums)(shapes, device)
