"""`torch.func.vmap` of `torch.func.grad`: a chunk of replicates at a time, of the size that is the fastest here."""

from __future__ import annotations

import torch
from torch.func import grad, vmap

from gradmark.benchmarks.experiments.speed.chunks import fastest
from gradmark.benchmarks.experiments.speed.contenders import Contender
from gradmark.benchmarks.experiments.speed.peers.running import running
from gradmark.benchmarks.experiments.speed.peers.surrogates import noise_of, surrogate_of
from gradmark.benchmarks.experiments.speed.works import Work
from gradmark.benchmarks.measurement.moments import Array


def contender(work: Work, device: torch.device) -> Contender:
    """The fastest of the chunks that fit."""
    params = work.params(device)
    gradients = vmap(grad(surrogate_of(work, work.rows(device))), in_dims=(None, 0))
    shapes = [value.shape for value in params.values()]

    def of_chunks(chunk: int) -> Contender:
        def turn(replicates: int, seed: int) -> Array:
            draw = torch.Generator(device).manual_seed(seed)
            found = running(work.per_coordinate, shapes, device)
            for _ in range(replicates // chunk):
                found.add(list(gradients(params, noise_of(work, chunk, device, draw)).values()))
            return found.traces()

        return Contender("vmap", turn, chunk)

    return fastest(work, of_chunks)
