"""Whoever is timed: gradmark and its peers, each as a call that measures so many replicates."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import torch

from gradmark.benchmarks.experiments.speed.works import Work
from gradmark.benchmarks.measurement.block import (
    Setting,
    block_gradients,
    block_seed,
    block_size,
    measure_block,
    plan_for,
)
from gradmark.benchmarks.measurement.gram import fold_wide
from gradmark.benchmarks.measurement.moments import Array, Moments, merged


class Absent(Exception):
    """Why a peer does not take part: it is not installed, or cannot express the work."""


@dataclass(frozen=True)
class Contender:
    """A way to measure a variance.

    `turn(replicates, seed)` makes so many replicate gradients, a multiple of `least`, and returns unbiased estimates of
    the trace of their covariance, `[1 + tensors]`: the total, then one for each named tensor in the parameters' order.
    """

    name: str
    turn: Callable[[int, int], Array]
    least: int = 1


def library(name: str) -> Any:
    """A module of another library; `Absent` where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as fault:
        raise Absent(f"not installed ({fault}); pip install 'gradmark[peers]'") from None


def with_total(traces: Array) -> Array:
    """The traces of the tensors with the total before them."""
    return np.concatenate([traces.sum(keepdims=True), traces])


def gradmark(work: Work, device: torch.device) -> Contender:
    """Whole blocks, folded and merged, as a study measures them; each turn has blocks of its own.

    Where each coordinate is wanted, they are folded coordinate by coordinate also beyond `MAX_COORDINATES`, up to which
    a study keeps them.
    """
    setting = work.setting(device)
    measure = _every_coordinate if work.per_coordinate else measure_block
    size = block_size(setting.problem, setting.num_samples, setting.params)
    numbers = itertools.count()

    def turn(replicates: int, seed: int) -> Array:
        seeds = [
            block_seed(setting.problem, setting.num_samples, "init", seed, size, next(numbers))
            for _ in range(replicates // size)
        ]
        blocks = (measure(setting, size, each) for each in seeds)
        # moments of many coordinates are large: one block at a time
        return (reduce(Moments.__add__, blocks) if work.per_coordinate else merged(list(blocks))).traces.mean(0)

    return Contender("gradmark", turn, size)


def _every_coordinate(setting: Setting, size: int, seed: int) -> Moments:
    found, paired = block_gradients(setting, size, seed, None, plan_for(setting, size))
    return fold_wide(found.parts, setting.exact, paired, each_coordinate=True)
