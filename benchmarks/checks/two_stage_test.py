"""The law of the mean by Monte Carlo: a first look, and a fresh and larger one that alone decides."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch

from gradmark.benchmarks.checks.cases import MOST_AT_ONCE, Case, coordinate
from gradmark.benchmarks.checks.control_variates import Control, best_control, gradients
from gradmark.benchmarks.checks.mean_test import Look, Sums, judged, two_looks
from gradmark.benchmarks.checks.results import Finding, declined, failed, law, passed
from gradmark.benchmarks.checks.scores import seen_by
from gradmark.benchmarks.measurement.block import block_seed, block_size
from gradmark.benchmarks.measurement.moments import Array

REPLICATES = 2**16  # of the first look
FEWEST = 2**13  # heavy tails need as many
FEWEST_OF_THE_DEAR = 2**10  # where one estimate makes DEAR evaluations of the cost for each of its draws
DEAR = 16
CONTROLLED = 2**14  # of the first look, less a control
HARDLY_EVER = "hardly any draw has seen the event that the parameter is about"
LEVEL = 0.001  # by default, over the cells of one estimator
CELLS = 20  # that the level is divided by
FEW, MANY = 8, 64  # estimates at once, whose seconds tell what many will take
MOST_NUMBERS = 2**26  # of the first look, over all replicates


def look(case: Case, truth: Array, replicates: int, seed: int, control: Control | None = None) -> Look:
    """What at least so many independent estimates, less their control, say of the exact gradient `[P]`."""
    return judged(summed(case, truth, replicates, seed, control), LEVEL / CELLS)


def summed(case: Case, truth: Array, replicates: int, seed: int, control: Control | None = None) -> Sums:
    """The moments of at least so many independent estimates, less their control, about the exact gradient `[P]`."""
    sums = Sums(truth)
    size = block_size(case.fixture.problem, case.num_samples, case.fixture.params)
    size = min(size, max(MOST_AT_ONCE // case.numbers(), 1))
    for index in range(-(-replicates // size)):
        drawn = block_seed(case.fixture.problem, case.num_samples, "check", seed, size, index)
        gradient = gradients(case, size, drawn)
        sums.add(gradient if control is None else gradient - control.deviations(size, drawn))
    return sums


def _expected_seconds(case: Case, replicates: int) -> float:
    """Of so many estimates, from what a few more of them take at once."""
    spent = []
    for size in (FEW, FEW, MANY):
        start = time.perf_counter()
        gradients(case, size, 0)
        spent.append(time.perf_counter() - start)
    return replicates * max(spent[2] - spent[1], 0.0) / (MANY - FEW)


def mean_by_monte_carlo(level: float = LEVEL, seed: int = 0, seconds: float = math.inf) -> Callable[[Case], Finding]:
    """The law that the mean of many estimates is the exact gradient, for a level over an estimator's cells.

    It declines where so many estimates would take longer than `seconds`.
    """

    @law
    def mean_of_many_is_exact(case: Case) -> Finding:
        """The mean of many estimates is the exact gradient, in every coordinate and in all together.

        Without an oracle it is the mean of a method that is right wherever there is one, on the same draws.
        """
        count = sum(value.numel() for value in case.fixture.params.values())
        draws = max(count, case.num_samples * case.fixture.problem.footprint)
        room = MOST_NUMBERS // max(draws, case.numbers())
        exact = case.exact()
        truth = None if exact is None else torch.cat([value.reshape(-1) for value in exact.values()]).numpy()
        control = best_control(case, truth) if truth is None or room < REPLICATES else None
        if truth is None and control is None:
            return declined(case.no_exact)
        fewest = FEWEST if case.numbers() < DEAR * draws else FEWEST_OF_THE_DEAR
        replicates = min(max(room, fewest), REPLICATES if control is None else CONTROLLED)
        if math.isfinite(seconds) and (expected := _expected_seconds(case, replicates)) > seconds:
            return declined(
                f"{replicates} estimates would take about {expected:.0f} s; a larger --budget tries this too"
            )
        return _decided(case, np.zeros(count) if truth is None else truth, replicates, level / CELLS, seed, control)

    return mean_of_many_is_exact


def _decided(case: Case, truth: Array, replicates: int, level: float, seed: int, control: Control | None) -> Finding:
    def sums_of(number: int, count: int) -> Sums:
        return summed(case, truth, count, 2 * seed + number, control)

    sums, seen, visible = two_looks(sums_of, replicates, level)
    if seen.nonfinite:
        return failed(f"{seen.nonfinite} of {seen.nonfinite + seen.replicates} replicates have NaN or infinity")
    said = f"the mean of {seen.replicates} replicates{'' if control is None else control.said}"
    rare = 0
    if seen.p_value < level:  # only then is it worth asking which events the draws have seen
        also = seen_by(case.fixture, seen.replicates * case.num_samples, level, 2 * seed + 1)
        seen, rare = judged(sums, level, also), int((~also).sum())
    if seen.p_value < level:
        where = coordinate(case.fixture.params, seen.worst)
        return failed(f"{said} is off, with p = {seen.p_value:.2g} ({level:.0e} is allowed)", where, seen.size, visible)
    left = seen.untested if not rare else f"{rare} of {len(truth)} coordinates cannot be tested: {HARDLY_EVER}"
    return passed(visible, "; ".join(filter(None, (said, left)))) if seen.tested.any() else declined(left)
