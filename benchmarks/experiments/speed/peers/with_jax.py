"""JAX on the CPU: one compiled loop over replicates, or over chunks of them with `vmap` of `grad` inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from gradmark.benchmarks.experiments.speed.chunks import fastest
from gradmark.benchmarks.experiments.speed.contenders import Absent, Contender, library, with_total
from gradmark.benchmarks.experiments.speed.works import Work
from gradmark.benchmarks.measurement.moments import Array
from gradmark.benchmarks.problems import BernoulliVAE

# What is carried from chunk to chunk: the key, the count, and for each tensor two sums
Carry = tuple[Any, Any, dict[str, Any], dict[str, Any]]


def scan(work: Work, device: torch.device) -> Contender:
    """One replicate after another."""
    return _of_chunks("JAX scan", work, device)(1)


def chunks(work: Work, device: torch.device) -> Contender:
    """The fastest of the chunks that fit."""
    return fastest(work, _of_chunks("JAX", work, device))


def _of_chunks(title: str, work: Work, device: torch.device) -> Callable[[int], Contender]:
    """A contender for each size of the chunks."""
    jax = library("jax")
    if device.type != "cpu":
        raise Absent("compared on the CPU only")
    params = {name: jax.numpy.asarray(value.numpy()) for name, value in work.params(device).items()}
    rows = work.rows(device)
    data = jax.numpy.zeros(()) if rows is None else jax.numpy.asarray(rows.numpy())

    def of_chunks(chunk: int) -> Contender:
        loop = _compiled(jax, work, chunk)

        def turn(replicates: int, seed: int) -> Array:
            _, _, first, second = loop(jax.random.key(seed), replicates // chunk, params, data)
            return _traces(work, replicates, first, second)

        return Contender(title, turn, chunk)

    return of_chunks


def _compiled(jax: Any, work: Work, chunk: int) -> Callable[..., Carry]:
    """A loop over chunks; its length, the parameters and the data are arguments, so that it is compiled once."""
    from gradmark.benchmarks.experiments.speed.peers.jax_surrogates import surrogate_of

    gradients = jax.vmap(jax.grad(surrogate_of(work)), in_axes=(None, 0, None))
    add = _per_coordinate if work.per_coordinate else _sums
    draw = jax.random.uniform if isinstance(work.problem, BernoulliVAE) else jax.random.normal

    def one(carry: Carry, params: Any, data: Any) -> Carry:
        key, count, first, second = carry
        key, own = jax.random.split(key)
        found = gradients(params, draw(own, (chunk, *work.shape_of_noise)), data)
        added = {name: add(found[name], count, first[name], second[name]) for name in found}
        first, second = ({name: pair[i] for name, pair in added.items()} for i in (0, 1))
        return key, count + 1, first, second

    def loop(key: Any, chunks: Any, params: Any, data: Any) -> Carry:
        zeros = {name: jax.numpy.zeros_like(value) for name, value in params.items()}
        second = zeros if work.per_coordinate else {name: jax.numpy.zeros(()) for name in params}
        start = (key, jax.numpy.zeros((), int), zeros, second)
        return jax.lax.fori_loop(0, chunks, lambda _, carry: one(carry, params, data), start)

    return jax.jit(loop)


def _sums(found: Any, count: Any, total: Any, squares: Any) -> tuple[Any, Any]:
    """Σ g and Σ |g|²."""
    return total + found.sum(0), squares + (found**2).sum()


def _per_coordinate(found: Any, count: Any, mean: Any, second: Any) -> tuple[Any, Any]:
    """The running mean and the sum of squared distances to it, by Chan's rule for equal chunks."""
    of_chunk = found.mean(0)
    step = of_chunk - mean
    inside = ((found - of_chunk) ** 2).sum(0)
    return mean + step / (count + 1), second + inside + step**2 * (len(found) * count / (count + 1))


def _traces(work: Work, replicates: int, first: dict[str, Any], second: dict[str, Any]) -> Array:
    names = list(work.problem.init())
    sums = [np.asarray(first[name], float) for name in names]
    spreads = np.array([float(np.asarray(second[name], float).sum()) for name in names])
    if not work.per_coordinate:
        spreads -= np.array([float((total**2).sum()) for total in sums]) / replicates
    return with_total(spreads / (replicates - 1))
