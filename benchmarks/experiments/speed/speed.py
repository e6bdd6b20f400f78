"""How long a replicate takes: gradmark, a loop, and other libraries, in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import torch

from gradmark.benchmarks.experiment import Experiment, Tables
from gradmark.benchmarks.experiments.speed import works
from gradmark.benchmarks.experiments.speed.agreement import agreement, disagreement
from gradmark.benchmarks.experiments.speed.contenders import Absent, Contender, gradmark
from gradmark.benchmarks.experiments.speed.cores import cores
from gradmark.benchmarks.experiments.speed.operations import PRODUCT, SIZE, SMALL, operations, product
from gradmark.benchmarks.experiments.speed.peers import PEERS
from gradmark.benchmarks.experiments.speed.rounds import Session, Timed, interleaved
from gradmark.benchmarks.experiments.speed.works import Work
from gradmark.benchmarks.measurement.quantities import Quantity
from gradmark.benchmarks.measurement.timing_rounds import bootstrap_median

SEPARATING = 0.999  # level of the interval that tells a contender from the fastest one
PACKAGES = {"JAX": "jax", "JAX scan": "jax", "Pyro": "pyro-ppl", "storchastic": "storchastic"}


@dataclass(frozen=True)
class Speed(Experiment):
    """Seconds of one replicate of a variance, through gradmark and through `peers`, on the CPU or a GPU.

    All take turns of `turn_seconds` in each of `rounds` rounds, in one process, in float32, on as many cores as torch
    has threads. Ratios are formed within a round; medians over rounds have bootstrap intervals. A replicate is one
    estimate of the gradient, drawn anew. Equally many replicates of an equal variance give an equal relative interval:
    that is why the time of a replicate is compared, and why the variances must agree. Where a peer's does not, the
    experiment fails. A peer that is not installed, or has no such estimator, is a row with the reason.

    The table `contenders` has a row for each: seconds of a replicate, that over gradmark's, its total variance over
    gradmark's, and its share of the machine's rate of matrix products, measured in the same rounds. `session` says what
    it ran on and how busy the machine was with other work. `small` takes networks of a few units: for a first look.

    Raises ValueError for a work or a peer that is not listed, and numbers out of range.
    """

    title = "Speed, against a loop and other libraries"

    work: str = "toy, ScoreFunction"
    peers: tuple[str, ...] = ("loop", "vmap", "JAX scan", "JAX", "Pyro", "storchastic")
    rounds: int = 15
    turn_seconds: float = 0.3
    device: Literal["cpu", "cuda"] = "cpu"
    small: bool = False

    def validate(self) -> None:
        if self.work not in works.NAMES:
            raise ValueError(f"Speed(work={self.work!r}): no such work; use one of {'; '.join(works.NAMES)}")
        if unknown := [name for name in self.peers if name not in PEERS]:
            raise ValueError(f"Speed(peers={self.peers}): {unknown[0]!r} is not one of {', '.join(PEERS)}")
        if self.rounds < 2 or not 0 < self.turn_seconds <= 60:
            call = f"Speed(rounds={self.rounds}, turn_seconds={self.turn_seconds})"
            raise ValueError(f"{call}: use two rounds or more of turns of up to a minute")

    def refuses(self) -> str | None:
        if self.device == "cuda" and not torch.cuda.is_available():
            return "torch finds no CUDA device on this machine; use device='cpu'"
        return None

    def run(self, seed: int) -> Tables:
        work, device = works.work(self.work, self.small), torch.device(self.device)
        size = SMALL if self.small else SIZE
        with cores(torch.get_num_threads()):
            contenders, absent = _contenders(work, self.peers, device)
            session = interleaved([*contenders, product(device, size)], self.rounds, self.turn_seconds, seed)
        *timed, multiplied = session.timed
        _check_agreement(timed, list(work.problem.init()))
        rate, counted = 2 * size**3 / float(np.median(multiplied.seconds)), operations(work)
        rows = [_row(each, timed, counted / rate) for each in timed]
        rows += [{"contender": name, "absent": reason} for name, reason in absent.items()]
        described = {"work": self.work, "problem": str(work.problem), "estimator": str(work.estimator)}
        return {
            "contenders": [{"work": self.work, **row} for row in rows],
            "session": [described | self._session(session, counted, rate)],
        }

    def _session(self, session: Session, counted: int, rate: float) -> dict[str, Any]:
        busy = [share for share in session.busy if share is not None]
        return {
            "rounds": self.rounds, "threads": torch.get_num_threads(), "device": self.device, "operations": counted,
            "product_rate": rate, "busy": float(np.median(busy)) if busy else None,
            "busiest": max(busy, default=None), "versions": dict(_versions(session)),
        }  # fmt: skip


def _contenders(work: Work, peers: tuple[str, ...], device: torch.device) -> tuple[list[Contender], dict[str, str]]:
    """gradmark and the peers that are there, and why the others are not."""
    there, absent = [gradmark(work, device)], {}
    for name in peers:
        try:
            there.append(PEERS[name](work, device))
        except Absent as reason:
            absent[name] = str(reason)
    return there, absent


def _check_agreement(timed: list[Timed], names: list[str]) -> None:
    """Raise ArithmeticError where a peer does not measure gradmark's variances."""
    faults = [fault for peer in timed[1:] if (fault := disagreement(peer, timed[0], names)) is not None]
    if faults:
        raise ArithmeticError("; ".join(faults))


def _versions(session: Session) -> Iterator[tuple[str, str]]:
    for package in dict.fromkeys(PACKAGES[each.name] for each in session.timed if each.name in PACKAGES):
        yield package, version(package)


def _row(timed: Timed, everybody: list[Timed], least_seconds: float) -> dict[str, Any]:
    """What is known of one contender; `least_seconds` would take its arithmetic at the rate of matrix products."""
    ours = everybody[0]
    fastest = min(everybody, key=lambda each: float(np.median(each.seconds)))
    itself = Quantity(1.0, 0.0, (1.0, 1.0))
    seconds = bootstrap_median(timed.seconds)
    behind = bootstrap_median(timed.seconds / fastest.seconds, SEPARATING)
    return {
        "contender": timed.name,
        "absent": None,
        "seconds": seconds.json(),
        "seconds_by_round": timed.seconds.tolist(),
        "over_gradmark": (itself if timed is ours else bootstrap_median(timed.seconds / ours.seconds)).json(),
        "over_fastest": (itself if timed is fastest else behind).json(),
        "replicates": timed.replicates * len(timed.seconds),
        "variance_over_gradmark": (itself if timed is ours else agreement(timed, ours)).json(),
        "share_of_product_rate": least_seconds / float(np.median(timed.seconds)) if least_seconds else None,
    }


assert PRODUCT not in PEERS
