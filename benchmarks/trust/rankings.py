"""Whether a ranking by time holds on a busy machine: `python -m gradmark.benchmarks.trust.rankings`.

Two counts of the rounds that `gradmark run speed` is made of. *A/A*: gradmark against itself under another name, in
several runs; none of them may be called the fastest. *Load*: contenders whose order is known, since each does a whole
number of times the work of the first, once on the machine as it is and once beside processes that keep all cores busy.
Counted are the pairs that an interval puts in the wrong order, and the pairs whose raw means disagree between the two
runs by more than a fifth.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import click
import numpy as np
import torch

from gradmark.benchmarks.experiments.speed import works
from gradmark.benchmarks.experiments.speed.contenders import Contender, gradmark
from gradmark.benchmarks.experiments.speed.rounds import Timed, interleaved
from gradmark.benchmarks.experiments.speed.speed import SEPARATING
from gradmark.benchmarks.measurement.quantities import above_a_tie
from gradmark.benchmarks.measurement.timing_rounds import bootstrap_median
from gradmark.reports.results.speeds import MARGIN

WORK = "logistic regression, ScoreFunction, 1 draw"
TIMES = (1.0, 1.2, 1.5)  # the work of the contenders, the first's being 1
HOST = torch.device("cpu")
APART = 1.2


def separated(one: Timed, other: Timed) -> bool:
    """Whether `one` is called slower than `other`, as a report says it."""
    ratios = one.seconds / other.seconds
    if np.median(ratios) < MARGIN:
        return False
    return above_a_tie(bootstrap_median(ratios, SEPARATING), MARGIN)


def winner(turn_seconds: float, rounds: int, seed: int) -> bool:
    """Whether one of two that are the same is called the faster."""
    work = works.work(WORK)
    pair = [gradmark(work, HOST), replace(gradmark(work, HOST), name="copy")]
    one, other = interleaved(pair, rounds, turn_seconds, seed).timed
    return separated(one, other) or separated(other, one)


def graded(times: float) -> Contender:
    """Gradmark, with so many times its work for a replicate."""
    plain = gradmark(works.work(WORK), HOST)

    def turn(replicates: int, seed: int) -> np.ndarray:
        blocks = round(replicates / plain.least * times)
        return plain.turn(max(blocks, 1) * plain.least, seed)

    return Contender(f"{times} × the work", turn, plain.least)


@contextmanager
def load(processes: int) -> Iterator[None]:
    """So many processes that do nothing but work, for as long as the block lasts."""
    running = [multiprocessing.get_context("spawn").Process(target=_work, daemon=True) for _ in range(processes)]
    for process in running:
        process.start()
    try:
        yield
    finally:
        for process in running:
            process.terminate()
            process.join()


def _work() -> None:
    while True:
        sum(range(100_000))


def wrong(timed: list[Timed]) -> tuple[int, int, int]:
    """Pairs in the right order, in the wrong one, and not separated."""
    pairs = list(itertools.combinations(timed, 2))  # the first of a pair has less to do
    right, reversed_ = sum(separated(b, a) for a, b in pairs), sum(separated(a, b) for a, b in pairs)
    return right, reversed_, len(pairs) - right - reversed_


def apart(quiet: list[Timed], busy: list[Timed]) -> int:
    """Contenders whose mean seconds in the two runs are further apart than by a fifth."""
    ratios = [float(b.seconds.mean() / a.seconds.mean()) for a, b in zip(quiet, busy, strict=True)]
    return sum(max(ratio, 1 / ratio) > APART for ratio in ratios)


@click.command()
@click.option("--runs", default=20, show_default=True, type=click.IntRange(1), help="A/A comparisons.")
@click.option("--rounds", default=15, show_default=True, type=click.IntRange(6))
@click.option("--turn-seconds", default=0.2, show_default=True, type=click.FloatRange(0, min_open=True))
def main(runs: int, rounds: int, turn_seconds: float) -> None:
    """Count the winners between a method and its copy, and the rankings that a load turns round."""
    named = sum(winner(turn_seconds, rounds, 1000 * seed) for seed in range(runs))
    click.echo("| A/A comparisons | a winner was named |\n| ---: | ---: |")
    click.echo(f"| {runs} | {named} |\n")
    contenders = [graded(times) for times in TIMES]
    quiet = interleaved(contenders, rounds, turn_seconds, 0)
    with load(os.cpu_count() or 1):
        busy = interleaved(contenders, rounds, turn_seconds, 1)
    click.echo("| machine | busy with other work | pairs in order | in the wrong order | not separated |")
    click.echo("| --- | ---: | ---: | ---: | ---: |")
    for name, session in (("as it is", quiet), ("under load", busy)):
        shares = [share for share in session.busy if share is not None]
        share = f"{np.median(shares):.0%}" if shares else "unknown"
        click.echo(f"| {name} | {share} | {' | '.join(map(str, wrong(session.timed)))} |")
    far = apart(quiet.timed, busy.timed)
    click.echo(f"\nRaw means further apart than by a fifth between the two: {far} of {len(TIMES)}.")
    click.echo(f"{rounds} rounds of turns of {turn_seconds} s, torch {torch.__version__}.")


if __name__ == "__main__":
    main()
