"""Contenders that take turns: seconds of a replicate in each round, and what each of them found."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradmark.benchmarks.experiments.speed.contenders import Contender
from gradmark.benchmarks.measurement.machine_load import Others
from gradmark.benchmarks.measurement.moments import Array

MOST = 2**24  # replicates of one turn
GROWTH = 8  # of a turn that was too short, at most
GROWING = 16  # tries


@dataclass(frozen=True)
class Timed:
    """What one contender did in all rounds."""

    name: str
    replicates: int  # of each turn
    seconds: Array  # [rounds], of one replicate
    traces: Array  # [rounds, 1 + tensors]


class Session(NamedTuple):
    """All contenders, timed in turn, and the share of the machine that others took in each round."""

    timed: list[Timed]
    busy: list[float | None]


def interleaved(contenders: Sequence[Contender], rounds: int, turn_seconds: float, seed: int) -> Session:
    """Each contender has a turn of about `turn_seconds` in every round; every second round goes backwards.

    A first round warms up and is left out. In a round all see the same minute of the machine, so that its drift
    cancels from ratios within a round.
    """
    sizes = [filling(contender, turn_seconds, seed) for contender in contenders]
    seconds = np.zeros((rounds + 1, len(contenders)))
    traces: list[list[Array]] = [[] for _ in contenders]
    busy = []
    for number in range(rounds + 1):
        others = Others()
        for index in list(range(len(contenders)))[:: 1 if number % 2 else -1]:
            elapsed, found = _turn(contenders[index], sizes[index], _seed(contenders[index].name, seed + number))
            seconds[number, index] = elapsed / sizes[index]
            traces[index].append(found)
        busy.append(others.share())
    timed = [
        Timed(contender.name, size, seconds[1:, index], np.array(traces[index][1:]))
        for index, (contender, size) in enumerate(zip(contenders, sizes, strict=True))
    ]
    return Session(timed, busy[1:])


def _seed(name: str, number: int) -> int:
    """Another one for each contender: draws that they share would look like agreement."""
    return zlib.crc32(f"{name} | {number}".encode())


def filling(contender: Contender, seconds: float, seed: int) -> int:
    """How many replicates fill a turn, two at least: what is measured is a variance."""
    size = _whole(contender, 2)
    contender.turn(size, seed)  # the first call may compile
    for _ in range(GROWING):
        elapsed = max(_turn(contender, size, seed)[0], 1e-9)
        if elapsed > seconds / 2 or size >= MOST:
            return _whole(contender, min(size * seconds / elapsed, MOST))
        size = _whole(contender, size * min(seconds / elapsed, GROWTH))
    return size


def _whole(contender: Contender, replicates: float) -> int:
    """About so many replicates, a multiple of the contender's least and two at least."""
    least = contender.least
    return max(round(replicates / least), -(-2 // least)) * least


def _turn(contender: Contender, replicates: int, seed: int) -> tuple[float, Array]:
    start = time.perf_counter()
    found = contender.turn(replicates, seed)
    return time.perf_counter() - start, found
