"""The arithmetic of one replicate, and the rate at which this machine multiplies matrices."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from gradmark.benchmarks.experiments.speed.contenders import Contender
from gradmark.benchmarks.experiments.speed.peers.surrogates import noise_of, surrogate_of
from gradmark.benchmarks.experiments.speed.works import Work
from gradmark.benchmarks.measurement.moments import Array

SIZE = 1024  # of the square matrices
SMALL = 64  # of those beside small works, which show that all runs
PRODUCT = "matrix product"  # the contender's name


def operations(work: Work) -> int:
    """Floating-point operations in products and convolutions of one gradient, forward and backward, as torch counts.

    It is the count of a single replicate by itself: what is shared between replicates can be saved.
    """
    host = torch.device("cpu")
    params = {name: value.requires_grad_() for name, value in work.params(host).items()}
    loss = surrogate_of(work, work.rows(host))
    noise = noise_of(work, 1, host, torch.Generator().manual_seed(0))[0]
    with FlopCounterMode(display=False) as counter:
        torch.autograd.grad(loss(params, noise), list(params.values()))
    return counter.get_total_flops()


def product(device: torch.device, size: int = SIZE) -> Contender:
    """A contender whose replicate is one product of square matrices: 2 · size³ operations."""
    one, other = torch.ones(2, size, size, device=device)

    def turn(replicates: int, seed: int) -> Array:
        found = one @ other
        for _ in range(replicates - 1):
            torch.mm(one, other, out=found)
        return np.array([float(found[0, 0])])

    return Contender(PRODUCT, turn)
