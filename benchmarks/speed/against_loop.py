"""A replicate through gradmark, and a hand-written loop in turn: the works of `gradmark run speed`, over the history.

`python -m gradmark.benchmarks.speed.against_loop` prints how many times faster gradmark is than the loop, for the works
without a network: float32, the median over interleaved rounds of the ratio of seconds. The works and the loop are those
of `gradmark.benchmarks.experiments.speed`, which also compares with other libraries.
"""

from __future__ import annotations

from typing import Any, ClassVar

from . import cells

ROUNDS = 15
TURN_SECONDS = 0.3
SEED = 0
THREADS = 2
TARGETS = {"toy": 300, "1 draw": 60, "10 draws": 20}  # times faster, for works with this in their name


def timed(work: str, *, loop: bool, rounds: int = ROUNDS, turn_seconds: float = TURN_SECONDS) -> list[Any]:
    """Gradmark, and the loop if asked for, in turn: each with its seconds of a replicate in every round."""
    host, found = cells.torch.device("cpu"), cells.works.work(work)
    contenders = [cells.contenders.gradmark(found, host)]
    contenders += [cells.peers.PEERS["loop"](found, host)] if loop else []
    return cells.rounds.interleaved(contenders, rounds, turn_seconds, SEED).timed


class Replicate:
    """One replicate of each work; a sample is one round's."""

    version = "1"
    params: ClassVar[list[str]] = cells.listed_works()
    param_names = ("work",)
    timeout = 600

    def setup(self, work: str) -> None:
        """n/a where the commit lacks the comparison, or the work."""
        with cells.lacking_is_na():
            if work not in cells.works.NAMES:
                raise AttributeError(f"no work {work!r}")

    def track_seconds(self, work: str) -> dict[str, Any]:
        """Seconds of a replicate through gradmark."""
        (ours,) = timed(work, loop=False, rounds=5)
        return {"samples": ours.seconds.tolist(), "number": 1}

    def track_share_of_the_loop(self, work: str) -> dict[str, Any]:
        """The same over the loop's, within a round."""
        ours, loop = timed(work, loop=True, rounds=5)
        return {"samples": (ours.seconds / loop.seconds).tolist(), "number": 1}

    track_seconds.unit = "s"  # type: ignore[attr-defined]


class TrainingStep:
    """One step of training 16 seeds at once, over that of a loop of single runs."""

    version = "1"
    timeout = 600

    def track_share_of_the_loop(self) -> float:
        """The median over rounds."""
        with cells.lacking_is_na():
            [row] = cells.training_speed.TrainingSpeed(rounds=5).run(SEED)["training"]
        return 1 / row["loop_over_gradmark"]["value"]


def target(work: str) -> int | None:
    """How many times faster than the loop gradmark is to be; None for networks."""
    return next((times for part, times in TARGETS.items() if part in work and "VAE" not in work), None)


def main() -> None:
    """Measure the works without a network and print them as a Markdown table, with what they were measured on."""
    with cells.block.threads(THREADS), cells.cores.cores(THREADS):
        print("| case | times faster | 95 % interval | target |\n| --- | --- | --- | --- |")
        for work in filter(target, cells.works.NAMES):
            ours, loop = timed(work, loop=True)
            found = cells.timing_rounds.bootstrap_median(loop.seconds / ours.seconds)
            low, high = found.ci
            print(f"| {work} | {found.value:.0f} | {low:.0f} to {high:.0f} | {target(work)} |")
        facts = cells.provenance.gather()
    versions = ", ".join(f"{name} {facts['versions'][name]}" for name in ("torch", "numpy"))
    print(f"\n{facts['processor']}, {facts['cores']} cores, {THREADS} threads; float32; seed {SEED};", end=" ")
    print(f"Python {facts['python']}, {versions}; medians over {ROUNDS} rounds.")


if __name__ == "__main__":
    main()
