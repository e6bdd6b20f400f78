"""How many replicates a peer makes at once: the number that is the fastest on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable

from gradmark.benchmarks.experiments.speed.contenders import Contender
from gradmark.benchmarks.experiments.speed.works import Work
from gradmark.benchmarks.measurement.block import numbers_of_one

CHUNKS = (1, 4, 16, 64, 512, 4096)
NUMBERS = 2**24  # in the largest tensor of a chunk, at most: 64 MiB
SLOWER = 1.25  # times the best: larger chunks are not tried any more
TRIES = 3
LONG = 0.5  # seconds of a try that is not repeated


def fastest(work: Work, of_chunks: Callable[[int], Contender]) -> Contender:
    """The contender whose chunks have the fewest seconds for a replicate, each tried for a moment."""
    largest = NUMBERS // numbers_of_one(work.problem, work.num_samples, work.problem.init())
    tried: list[tuple[float, Contender]] = []
    for chunk in CHUNKS:
        if chunk > max(largest, 1) or (tried and tried[-1][0] > SLOWER * min(tried, key=_first)[0]):
            break
        contender = of_chunks(chunk)
        tried.append((_seconds(contender), contender))
    return min(tried, key=_first)[1]


def _first(pair: tuple[float, Contender]) -> float:
    return pair[0]


def _seconds(contender: Contender) -> float:
    """Of one replicate; the first call may compile and is left out."""
    replicates = max(2, contender.least)
    replicates += -replicates % contender.least
    contender.turn(replicates, 0)
    seconds = []
    for number in range(TRIES):
        start = time.perf_counter()
        contender.turn(replicates, number)
        seconds.append(time.perf_counter() - start)
        if seconds[-1] > LONG:
            break
    return min(seconds) / replicates
