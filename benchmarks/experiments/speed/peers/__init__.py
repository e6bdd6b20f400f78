"""The peers: the same estimates, written from their formulas in other ways and other libraries.

Each module has functions of a work and a device to a `Contender`, which raise `Absent` where the library is not
installed or has no such estimator. A library is imported there and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from gradmark.benchmarks.experiments.speed.contenders import Contender
from gradmark.benchmarks.experiments.speed.peers import loop, vmap, with_jax, with_pyro, with_storchastic
from gradmark.benchmarks.experiments.speed.works import Work

PEERS: dict[str, Callable[[Work, torch.device], Contender]] = {
    "loop": loop.contender,
    "vmap": vmap.contender,
    "JAX scan": with_jax.scan,
    "JAX": with_jax.chunks,
    "Pyro": with_pyro.contender,
    "storchastic": with_storchastic.contender,
}
