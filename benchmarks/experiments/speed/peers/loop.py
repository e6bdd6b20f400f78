"""A loop that makes one replicate at a time: `torch.distributions`, `torch.autograd.grad` and a running variance."""

from __future__ import annotations

import torch

from gradmark.benchmarks.experiments.speed.contenders import Contender
from gradmark.benchmarks.experiments.speed.peers.running import running
from gradmark.benchmarks.experiments.speed.peers.surrogates import noise_of, surrogate_of
from gradmark.benchmarks.experiments.speed.works import Work
from gradmark.benchmarks.measurement.moments import Array


def contender(work: Work, device: torch.device) -> Contender:
    """The loop that one writes by hand."""
    surrogate = surrogate_of(work, work.rows(device))
    params = {name: value.requires_grad_() for name, value in work.params(device).items()}
    leaves = list(params.values())

    def turn(replicates: int, seed: int) -> Array:
        draw = torch.Generator(device).manual_seed(seed)
        found = running(work.per_coordinate, [leaf.shape for leaf in leaves], device)
        for _ in range(replicates):
            loss = surrogate(params, noise_of(work, 1, device, draw)[0])
            found.add([part.unsqueeze(0) for part in torch.autograd.grad(loss, leaves)])
        return found.traces()

    return Contender("loop", turn)
